"""Serve a demo SIS over real HTTP, in the background of a program or as one."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from types import TracebackType
from typing import Self

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app.demo.faults import FaultBox
from app.demo.sis.app import create_sis
from app.demo.sis.config import SisConfig
from app.demo.sis.store import Store


class _QuietHandler(WSGIRequestHandler):
    """The request log of the fault box says more than access lines on a terminal."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class SisServer:
    """A SIS on ``host:port`` (0 takes a free port); ``with SisServer() as sis: sis.url``."""

    def __init__(
        self, config: SisConfig | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        with socket.create_server((host, port)) as listener:
            # The address must be known before the app is made: its records point at themselves.
            self.url = f"http://{host}:{listener.getsockname()[1]}"
            config = config or SisConfig()
            self.app: Flask = create_sis(replace(config, base_url=config.base_url or self.url))
            self._server = make_server(
                host,
                port,
                self.app,
                threaded=True,
                request_handler=_QuietHandler,
                fd=listener.fileno(),
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def store(self) -> Store:
        """What the SIS holds."""
        store: Store = self.app.extensions["sis_store"]
        return store

    @property
    def faults(self) -> FaultBox:
        """How it fails."""
        box: FaultBox = self.app.extensions["sis_faults"]
        return box

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.faults.clear()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
