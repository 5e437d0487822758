"""One way to drive any browser: find things by their words, press them, wait for what appears.

An engine brings a handful of primitives (``Engine``); everything else is written once, here, on
functions that run in the page.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

PATIENCE = 90.0
TOP = ""

# Visible elements of a kind whose accessible name holds the words (or is exactly them).
FIND = """(kind, words, exact) => {
  const flat = (text) => (text || "").replace(/\\s+/g, " ").trim();
  const fits = (text) => exact ? flat(text) === words : flat(text).includes(words);
  const shown = (one) => one.checkVisibility({ visibilityProperty: true });
  const name = (one) => one.getAttribute("aria-label") || one.innerText || one.value;
  const all = (css) => [...document.querySelectorAll(css)];
  const kinds = {
    button: () => all("button, summary, input[type=submit]").filter((one) => fits(name(one))),
    link: () => all("a[href]").filter((one) => fits(name(one))),
    heading: () => all("h1, h2, h3").filter((one) => fits(name(one))),
    field: () => all("label").filter((one) => fits(one.innerText)).map((one) => one.control)
      .concat(all("[aria-label]:is(input, select, textarea)").filter((one) => fits(name(one)))),
    css: () => all(words),
    text: () => all("body").filter((one) => fits(one.innerText)),
  };
  return kinds[kind]().find((one) => one && shown(one)) || null;
}"""
COUNT = f"(...what) => Boolean(({FIND})(...what))"
WORDS = f"(...what) => {{ const it = ({FIND})(...what); return it && (it.innerText || it.value); }}"
VALUE = f"(...what) => {{ const it = ({FIND})(...what); return it && it.value; }}"
UNFOLD = f"(...what) => {{ ({FIND})(...what).closest('details').open = true; }}"
CHOOSE = """(css, label) => {
  const field = document.querySelector(css);
  const option = field && [...field.options].find((one) => one.text.trim() === label);
  if (!option) return false;
  field.value = option.value;
  for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
  return true;
}"""


class EngineError(Exception):
    """The browser would not: a document that went away, an element that moved. Worth a retry."""


class Engine(ABC):
    """The primitives of one browser with its one current window. ``frame`` is a frame's name."""

    name: str

    @abstractmethod
    def open(self, url: str) -> None:
        """Go to an address in the current window and wait for the page."""

    @abstractmethod
    def call(self, frame: str, function: str, *args: Any) -> Any:
        """The JSON value of a function that runs in the frame's document. Raises EngineError."""

    @abstractmethod
    def press(self, frame: str, function: str, *args: Any) -> None:
        """Click, as a person does, on the element that a function finds. Raises EngineError."""

    @abstractmethod
    def write(self, frame: str, text: str, function: str, *args: Any) -> None:
        """Put the text into the field that a function finds, by keys, and leave the field."""

    @abstractmethod
    def windows(self) -> list[str]:
        """The open windows and tabs, oldest first."""

    @abstractmethod
    def switch(self, window: str) -> None:
        """Make another window the current one."""

    @abstractmethod
    def shut(self) -> None:
        """Close the current window and go back to the oldest."""

    @abstractmethod
    def shot(self, path: Path) -> None:
        """A picture of the current window."""

    @abstractmethod
    def quit(self) -> None:
        """End the browser."""

    def place(self, frame: str = TOP) -> Place:
        """The document of the window, or of a frame in it."""
        return Place(self, frame)


class Place:
    """One document, named by where it stands; it may be another one after each step."""

    def __init__(self, engine: Engine, frame: str) -> None:
        self._engine = engine
        self._frame = frame

    # --- asking ------------------------------------------------------------------------------

    def run(self, function: str, *args: Any) -> Any:
        """What a function answers in this document."""
        return self._engine.call(self._frame, function, *args)

    def has(self, kind: str, words: str, exact: bool = False) -> bool:
        """Whether such a thing is visible now."""
        return bool(self.run(COUNT, kind, words, exact))

    def text(self, css: str = "body") -> str:
        """The words of the first visible element, on one line."""
        return " ".join(str(self.run(WORDS, "css", css, False)).split())

    def value(self, label: str) -> str:
        """What stands in a field."""
        return str(self.run(VALUE, "field", label, False))

    @property
    def address(self) -> str:
        """Where the document comes from."""
        return str(self.run("() => location.href"))

    # --- waiting and doing -------------------------------------------------------------------

    def wait(self, kind: str, words: str, exact: bool = False, seconds: float = PATIENCE) -> None:
        """Until such a thing is visible."""
        self._insist(f"{kind} {words!r}", lambda: self.has(kind, words, exact), seconds)

    def wait_gone(self, kind: str, words: str, seconds: float = PATIENCE) -> None:
        """Until no such thing is visible."""
        self._insist(f"no {kind} {words!r}", lambda: not self.has(kind, words), seconds)

    def click(self, kind: str, words: str, exact: bool = False) -> None:
        """Press something, as soon as it is there."""
        self.wait(kind, words, exact)

        def press() -> bool:
            self._engine.press(self._frame, FIND, kind, words, exact)
            return True

        self._insist(f"a click on {kind} {words!r}", press, 10)

    def unfold(self, summary: str, label: str) -> None:
        """Open what hides a field, unless it is open."""

        def opened() -> bool:
            if self.has("field", label):
                return True
            self.run(UNFOLD, "button", summary, False)
            return self.has("field", label)

        self._insist(f"field {label!r}", opened, PATIENCE)

    def fill(self, label: str, text: str) -> None:
        """Write into the field with a label."""
        self.wait("field", label)
        self._engine.write(self._frame, text, FIND, "field", label, False)

    def fill_css(self, css: str, text: str) -> None:
        """Write into a field that only a selector names."""
        self.wait("css", css)
        self._engine.write(self._frame, text, FIND, "css", css, False)

    def choose(self, css: str, label: str) -> None:
        """Choose an option of a list, as soon as there is one."""
        self._insist(f"option {label!r}", lambda: bool(self.run(CHOOSE, css, label)), PATIENCE)

    def _insist(self, what: str, look: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        trouble = ""
        while time.monotonic() < deadline:
            try:
                if look():
                    return
            except EngineError as error:
                trouble = str(error)
            time.sleep(0.1)
        try:
            shown = self.text()[:1500]
        except EngineError as error:
            shown = str(error)
        raise AssertionError(f"Waited too long for {what}. {trouble} Shown: {shown}")
