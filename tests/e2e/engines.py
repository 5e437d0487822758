"""The engines behind ``driving``: Chromium, Firefox and WebKit, as Debian packages them.

Chromium is driven by Playwright. Debian's Firefox speaks WebDriver BiDi by itself, without a driver
program; WebKitGTK comes with a W3C WebDriver. Each test browser has a fresh profile of its own.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from playwright.sync_api import BrowserContext, Error, Page
from websockets.sync.client import ClientConnection, connect

from app.demo.stage import free_port
from tests.e2e.driving import TOP, Engine, EngineError

START_SECONDS = 40
CALL_SECONDS = 60
MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"


QUIET_FIREFOX = {
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "services.settings.server": "data:,",
}


class Chromium(Engine):
    """A Playwright context as one of the engines."""

    name = "chromium"

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.pages[0] if context.pages else context.new_page()

    def open(self, url: str) -> None:
        self.page.goto(url)

    def _document(self, frame: str) -> Any:
        self.page.wait_for_timeout(0)  # hear of frames that came and went
        found = self.page.main_frame if frame == TOP else self.page.frame(frame)
        if found is None:
            raise EngineError(f"There is no frame {frame}.")
        return found

    def call(self, frame: str, function: str, *args: Any) -> Any:
        try:
            return self._document(frame).evaluate(f"args => ({function})(...args)", list(args))
        except Error as error:
            raise EngineError(str(error)) from error

    def _element(self, frame: str, function: str, args: tuple[Any, ...]) -> Any:
        document = self._document(frame)
        handle = document.evaluate_handle(f"args => ({function})(...args)", list(args))
        found = handle.as_element()
        if found is None:
            raise EngineError(f"There is no {args}.")
        return found

    def press(self, frame: str, function: str, *args: Any) -> None:
        try:
            self._element(frame, function, args).click(timeout=5000)
        except Error as error:
            raise EngineError(str(error)) from error

    def write(self, frame: str, text: str, function: str, *args: Any) -> None:
        field = self._element(frame, function, args)
        field.fill(text)
        field.press("Tab")

    def windows(self) -> list[str]:
        self.page.wait_for_timeout(0)
        return [str(number) for number, _ in enumerate(self.context.pages)]

    def switch(self, window: str) -> None:
        self.page = self.context.pages[int(window)]
        # A tab that was never painted has no sizes for its layout. The picture itself is of no use, and
        # a busy machine may fail to take it; what the test looks for afterwards still has to be there.
        self.page.bring_to_front()
        with suppress(Error):
            self.page.screenshot(timeout=10_000)

    def shut(self) -> None:
        self.page.close()
        self.switch("0")

    def shot(self, path: Path) -> None:
        self.page.screenshot(path=path)

    def quit(self) -> None:
        self.context.close()


class Firefox(Engine):
    """Firefox by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/) on one web socket."""

    name = "firefox"

    def __init__(self, program: str, preferences: Mapping[str, Any]) -> None:
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        """What was subscribed to: requests and console entries."""
        with ExitStack() as stack:
            profile = Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
            settings = {**QUIET_FIREFOX, **preferences}
            lines = [f"user_pref({json.dumps(k)}, {json.dumps(settings[k])});" for k in settings]
            (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
            port = free_port()
            command = [program, "--headless", "--no-remote", "--profile", str(profile)]
            process = _started([*command, "--remote-debugging-port", str(port), "about:blank"])
            stack.callback(_end, process)
            self._socket = _connected(stack, f"ws://127.0.0.1:{port}/session")
            self._ask("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
            wanted = ["network.beforeRequestSent", "log.entryAdded"]
            self._ask("session.subscribe", events=wanted)
            # The window that came with the browser never has the focus, so no field would lose it.
            [first] = self.windows()
            self.switch(self._ask("browsingContext.create", type="window")["context"])
            self._ask("browsingContext.close", context=first)
            self._stack = stack.pop_all()

    def _ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=CALL_SECONDS))
            if message.get("type") == "event":
                self.events.append(message)
            elif message.get("id") == number:
                if message["type"] == "error":
                    raise EngineError(f"{message['error']}: {message['message']}")
                return message["result"]

    def open(self, url: str) -> None:
        self._ask("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def _context(self, frame: str) -> str:
        if frame == TOP:
            return self._window
        look = 'name => document.querySelector(`iframe[name="${name}"]`).contentWindow'
        found = self._call(self._window, look, (frame,))
        return str(found["value"]["context"])

    def _call(self, context: str, function: str, args: tuple[Any, ...]) -> Any:
        result = self._ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[_local(one) for one in args],
            target={"context": context},
            awaitPromise=True,
            userActivation=False,
        )
        if result["type"] == "exception":
            raise EngineError(result["exceptionDetails"]["text"])
        return result["result"]

    def call(self, frame: str, function: str, *args: Any) -> Any:
        wrapped = f"async (...args) => JSON.stringify(await ({function})(...args))"
        result = self._call(self._context(frame), wrapped, args)
        return json.loads(result["value"]) if result["type"] == "string" else None

    def _element(self, context: str, function: str, args: tuple[Any, ...]) -> dict[str, Any]:
        centred = (
            f"(...args) => {{ const it = ({function})(...args);"
            " if (it) it.scrollIntoView({ block: 'center', behavior: 'instant' }); return it; }"
        )
        found = self._call(context, centred, args)
        if found["type"] != "node":
            raise EngineError(f"There is no {args}.")
        return {"sharedId": found["sharedId"]}

    def press(self, frame: str, function: str, *args: Any) -> None:
        context = self._context(frame)
        origin = {"type": "element", "element": self._element(context, function, args)}
        steps = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "actions": steps}
        self._ask("input.performActions", context=context, actions=[pointer])

    def write(self, frame: str, text: str, function: str, *args: Any) -> None:
        self.press(frame, function, *args)  # without a click the frame has no focus to lose
        context = self._context(frame)
        self._call(context, f"(...args) => ({function})(...args).select()", args)
        steps = [
            {"type": kind, "value": key}
            for key in [*text, "\ue004"]  # Tab leaves the field
            for kind in ("keyDown", "keyUp")
        ]
        keys = {"type": "key", "id": "keys", "actions": steps}
        self._ask("input.performActions", context=context, actions=[keys])

    def windows(self) -> list[str]:
        found = self._ask("browsingContext.getTree", maxDepth=0)["contexts"]
        return [one["context"] for one in found]

    def switch(self, window: str) -> None:
        self._window = window
        self._ask("browsingContext.activate", context=window)

    def shut(self) -> None:
        self._ask("browsingContext.close", context=self._window)
        self.switch(self.windows()[0])

    def shot(self, path: Path) -> None:
        taken = self._ask("browsingContext.captureScreenshot", context=self._window)
        path.write_bytes(base64.b64decode(taken["data"]))

    def quit(self) -> None:
        self._stack.close()


def _connected(stack: ExitStack, address: str) -> ClientConnection:
    """The web socket of a browser that is starting."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return stack.enter_context(connect(address, max_size=None))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _local(value: Any) -> dict[str, Any]:
    """A plain value as BiDi spells it."""
    if value is None:
        return {"type": "null"}
    if isinstance(value, list):
        return {"type": "array", "value": [_local(one) for one in value]}
    kinds = {bool: "boolean", str: "string", int: "number", float: "number"}
    return {"type": kinds[type(value)], "value": value}


class WebKit(Engine):
    """WebKitGTK's MiniBrowser by W3C WebDriver, on a screen that nobody sees."""

    name = "webkit"
    _ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

    def __init__(self, driver: str, options: list[str]) -> None:
        self._http = requests.Session()
        with ExitStack() as stack:
            stack.callback(self._http.close)
            home = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            display, number = _display()
            stack.callback(_end, display)
            environment = {
                **os.environ,
                "HOME": home,
                "XDG_RUNTIME_DIR": home,
                "DISPLAY": number,
                # A container gives no user namespaces for the engine's own sandbox, and no GPU.
                "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "NO_AT_BRIDGE": "1",
                "GSETTINGS_BACKEND": "memory",
            }
            port = free_port()
            stack.callback(_end, _started([driver, f"--port={port}"], environment))
            self._base = f"http://127.0.0.1:{port}/session"
            wanted = {"binary": MINI_BROWSER, "args": ["--automation", *options]}
            able = {"acceptInsecureCerts": True, "webkitgtk:browserOptions": wanted}
            made = self._new_session({"capabilities": {"alwaysMatch": able}})
            self._base += f"/{made['sessionId']}"
            stack.callback(self._ask, "DELETE", "")
            self._ask("POST", "/timeouts", script=CALL_SECONDS * 1000)
            self._ask("POST", "/window/rect", x=0, y=0, width=1180, height=940)
            self._stack = stack.pop_all()

    def _new_session(self, body: dict[str, Any]) -> Any:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self._ask("POST", "", **body)
            except requests.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        sent = body if method == "POST" else None
        answer = self._http.request(method, self._base + path, json=sent, timeout=CALL_SECONDS)
        value = answer.json()["value"]
        if answer.status_code >= 400:
            raise EngineError(f"{value['error']}: {value['message']}")
        return value

    def open(self, url: str) -> None:
        self._ask("POST", "/frame", id=None)
        self._ask("POST", "/url", url=url)

    def _enter(self, frame: str) -> None:
        self._ask("POST", "/frame", id=None)
        if frame != TOP:
            css = f'iframe[name="{frame}"]'
            found = self._ask("POST", "/element", using="css selector", value=css)
            self._ask("POST", "/frame", id=found)

    def call(self, frame: str, function: str, *args: Any) -> Any:
        self._enter(frame)
        script = (
            "const done = arguments[arguments.length - 1];"
            f"Promise.resolve(({function})(...arguments[0]))"
            ".then((value) => done([value === undefined ? null : value]),"
            " (error) => done([null, String(error)]));"
        )
        result = self._ask("POST", "/execute/async", script=script, args=[list(args)])
        if len(result) > 1:
            raise EngineError(result[1])
        return result[0]

    def _element(self, frame: str, function: str, args: tuple[Any, ...]) -> str:
        self._enter(frame)
        script = f"return ({function})(...arguments[0]);"
        found = self._ask("POST", "/execute/sync", script=script, args=[list(args)])
        if not found:
            raise EngineError(f"There is no {args}.")
        return str(found[self._ELEMENT])

    def press(self, frame: str, function: str, *args: Any) -> None:
        element = self._element(frame, function, args)
        # The driver scrolls the frame only, not the page around it.
        centred = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' });"
        self._ask("POST", "/execute/sync", script=centred, args=[{self._ELEMENT: element}])
        self._ask("POST", f"/element/{element}/click")

    def write(self, frame: str, text: str, function: str, *args: Any) -> None:
        field = self._element(frame, function, args)
        self._ask("POST", f"/element/{field}/clear")
        self._ask("POST", f"/element/{field}/value", text=text + "\ue004")

    def windows(self) -> list[str]:
        return list(self._ask("GET", "/window/handles"))

    def switch(self, window: str) -> None:
        self._ask("POST", "/window", handle=window)

    def shut(self) -> None:
        left = self._ask("DELETE", "/window")
        self.switch(left[0])

    def shot(self, path: Path) -> None:
        self._ask("POST", "/frame", id=None)
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def quit(self) -> None:
        self._stack.close()


def _display() -> tuple[subprocess.Popen[bytes], str]:
    """An X server without a screen, and the number that it chose."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1000x24"]
    process = _started([*command, "-nolisten", "tcp"], pipes=[writing])
    os.close(writing)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    if not number:
        _end(process)
        raise EngineError("Xvfb did not start.")
    return process, f":{number}"


def _started(
    command: list[str], environment: Mapping[str, str] | None = None, pipes: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A process in a group of its own, so that what it starts can be ended with it."""
    return subprocess.Popen(
        command,
        env=environment,
        pass_fds=pipes,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
