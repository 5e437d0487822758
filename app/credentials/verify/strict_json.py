"""JSON as a verifier must read it: one meaning only, and bounded."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

from app.credentials.verify.limits import (
    MAX_CREDENTIAL_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    OverLimitError,
)
from app.errors import Invalid
from app.words import say


def loads(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``.

    Refuses what readers understand differently: a name that stands twice in one object, NaN and
    Infinity, halves of surrogate pairs, bytes that are not UTF-8.

    :raises Invalid: not such an object (code ``bad-json``).
    :raises OverLimitError: too large, too deep or too many values.
    """
    if len(raw) > MAX_CREDENTIAL_BYTES:
        raise OverLimitError(
            say("The credential is larger than %(most)s bytes.", most=f"{MAX_CREDENTIAL_BYTES:,}")
        )
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except RecursionError:
        raise OverLimitError(
            say("The credential is nested more than %(most)s levels deep.", most=MAX_DEPTH)
        ) from None
    except Invalid:
        raise
    except ValueError as problem:
        raise Invalid(
            "bad-json", say("This is not JSON: %(problem)s.", problem=str(problem))
        ) from None
    if not isinstance(value, dict):
        raise Invalid("bad-json", say("This is JSON, but no object."))
    _screen(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Invalid(
            "bad-json", say("The name %(twice)r stands twice in one object.", twice=twice[:80])
        )
    return made


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _constant(text[:20])


def _constant(name: str) -> NoReturn:
    raise Invalid("bad-json", say("%(name)s is no JSON number.", name=name))


def _screen(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        seen += len(level)
        if seen > MAX_VALUES:
            raise OverLimitError(
                say("The credential holds more than %(most)s values.", most=f"{MAX_VALUES:,}")
            )
        level = [child for node in level for child in children(node)]
        if not level:
            return
    raise OverLimitError(
        say("The credential is nested more than %(most)s levels deep.", most=MAX_DEPTH)
    )


def children(node: Any) -> Iterable[Any]:
    """What stands directly in ``node``.

    :raises Invalid: a text that is no text (code ``bad-json``).
    """
    if isinstance(node, dict):
        return node.values()
    if (
        isinstance(node, str)
        and not node.isascii()
        and any("\ud800" <= c <= "\udfff" for c in node)
    ):
        raise Invalid("bad-json", say("A text holds half of a surrogate pair."))
    return node if isinstance(node, list) else ()
