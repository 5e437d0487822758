"""A page and a framed page on two sites of this machine: what a browser does to cookies there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, request
from werkzeug.serving import make_server

from tests.e2e.driving import TOP, Engine

STORES = "() => { try { sessionStorage.setItem('a', 'b'); return true; } catch { return false; } }"


def set_three() -> Response:
    """A framed page that sets three cookies: as ever, for foreign frames, partitioned."""
    answer = Response("<form action=/seen><button>Go on</button></form>", mimetype="text/html")
    answer.set_cookie("bare", "1")
    for name, partitioned in (("plain", False), ("partitioned", True)):
        answer.set_cookie(name, "1", secure=True, samesite="None", partitioned=partitioned)
    return answer


def framing() -> str:
    """A page that frames the other on 127.0.0.1."""
    port = request.host.split(":")[1]
    return f"<iframe name=tool src='http://127.0.0.1:{port}/set'></iframe>"


@contextmanager
def two_sites() -> Iterator[int]:
    """Both pages under every name of this machine; their port."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=framing)
    app.add_url_rule("/set", view_func=set_three)
    app.add_url_rule("/seen", "seen", lambda: f"Cookies: {' '.join(sorted(request.cookies))}.")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def cookies(engine: Engine, frame: str) -> str:
    """What the page there gets back of what it set."""
    place = engine.place(frame)
    place.click("button", "Go on")
    place.wait("text", "Cookies:")
    return place.text()


def cookies_in_the_frame(engine: Engine, host: str, port: int) -> str:
    """The same for a framed page when the page around it is on ``host``."""
    engine.open(f"http://{host}:{port}/")
    return cookies(engine, "tool")


def cookies_at_the_top(engine: Engine, port: int) -> str:
    """The same for the page in a window of its own."""
    engine.open(f"http://127.0.0.1:{port}/set")
    return cookies(engine, TOP)
