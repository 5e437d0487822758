"""JSON logs on standard output. Only codes, ids and counts go in: no names, grades or tokens.

An error that nobody expected quotes what was being read (``KeyError: 'Ada Byron'``), so its place and
kind are written down and its words are not.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog

from app.errors import AppError

Error = tuple[type[BaseException], BaseException, TracebackType | None]
CLUES = ("errno", "sqlstate", "sqlite_errorname")
"""What errors of the system and of databases say in codes."""


def configure(level: str) -> None:
    """One JSON object per line, for our own lines and those of libraries."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_words,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))


def _without_words(_logger: object, _method: str, event: Any) -> Any:
    """In place of ``exc_info`` the text ``exception``: every error of the chain, none in its own words."""
    told = event.pop("exc_info", None)
    if told:
        error = told if isinstance(told, BaseException) else _present(told)
        event["exception"] = "\n".join(_chain(error)) if error else "no error"
    return event


def _present(told: bool | Error) -> BaseException | None:
    return sys.exception() if isinstance(told, bool) else told[1]


def _chain(error: BaseException) -> list[str]:
    """What led to it first, as Python shows it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*_chain(before), "Then:"] if before else []
    lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}{_clues(error)}")
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += ["In it:", *_chain(inner)]
    return lines


def _clues(error: BaseException) -> str:
    """Codes and names of our own, which help and tell of nobody."""
    found = {name: getattr(error, name, None) for name in CLUES}
    found["code"] = error.code if isinstance(error, AppError) else None
    found["constraint"] = getattr(getattr(error, "diag", None), "constraint_name", None)
    told = ", ".join(f"{name} {value}" for name, value in found.items() if value is not None)
    return f" ({told})" if told else ""
