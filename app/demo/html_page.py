"""What the visitor sees of a page: its text, links, frames and forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from app.errors import NotFound

_VOID = {"input", "br", "img", "meta", "link", "hr"}
_SILENT = {"script", "style", "template"}


@dataclass
class Field:
    """One control of a form as it stands: its name, what it would send, and its label."""

    name: str
    value: str
    kind: str
    label: str = ""
    on: bool = True
    options: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Button:
    """A submit button: what it says, and the pair that it adds."""

    label: str
    name: str = ""
    value: str = ""
    action: str = ""
    method: str = ""


@dataclass
class Form:
    """A form with its controls in document order."""

    action: str
    method: str
    enctype: str
    name: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    def names(self) -> set[str]:
        """The names of all controls."""
        return {one.name for one in self.fields}


@dataclass(frozen=True)
class Link:
    """A link: its address as written, its text, and its ``target``."""

    href: str
    text: str
    target: str = ""


@dataclass
class Content:
    """Everything that the parser found."""

    title: str = ""
    text: str = ""
    base: str = ""
    refresh: str = ""
    """Where a page sends a browser without scripts by itself, "" if it does not."""
    forms: list[Form] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[tuple[str, str]] = field(default_factory=list)


def parse(html: str) -> Content:
    """The content of an HTML page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.finish()


def squeeze(text: str) -> str:
    """Text with every run of white space as one blank."""
    return re.sub(r"\s+", " ", text).strip()


class _Reader(HTMLParser):
    """Collects content; keeps the text of the elements that are open and matter."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.content = Content()
        self._text: list[str] = []
        self._silent = 0
        self._form: Form | None = None
        self._forms: dict[str, Form] = {}
        self._late: list[tuple[str, Field | Button]] = []
        self._captures: dict[str, list[str]] = {}
        self._attributes: dict[str, dict[str, str]] = {}
        self._labels: dict[str, str] = {}
        self._ids: list[tuple[str, Field]] = []
        self._label_fields: list[Field] = []
        self._select: Field | None = None

    def finish(self) -> Content:
        """Put late controls (``form=``) and labels in place."""
        for form_id, control in self._late:
            if form_id in self._forms:
                _attach(self._forms[form_id], control)
        for control_id, one in self._ids:
            one.label = one.label or self._labels.get(control_id, "")
        self.content.text = squeeze(" ".join(self._text))
        return self.content

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        found = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        if tag == "option":
            self._close("option")
        handler = getattr(self, f"_start_{tag}", None)
        if handler is not None:
            handler(found)
        if tag in {"a", "button", "label", "textarea", "option", "title"}:
            self._captures[tag] = []
            self._attributes[tag] = found

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<x/>`` is ``<x>`` for HTML."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        if tag == "select":
            self._close("option")
            self._select = None
        self._close(tag)
        if tag == "form":
            self._form = None

    def _close(self, tag: str) -> None:
        """Hand the kept text of an open element on."""
        if tag in self._captures:
            text = "".join(self._captures.pop(tag))
            getattr(self, f"_end_{tag}")(self._attributes.pop(tag), text)

    def handle_data(self, data: str) -> None:
        """Text goes to the page and to every open element that keeps it."""
        for kept in self._captures.values():
            kept.append(data)
        if not self._silent and "title" not in self._captures:
            self._text.append(data)

    def _start_base(self, found: dict[str, str]) -> None:
        self.content.base = found.get("href", "")

    def _start_meta(self, found: dict[str, str]) -> None:
        wait, _, target = found.get("content", "").partition(";url=")
        if found.get("http-equiv", "").lower() == "refresh" and wait.strip() == "0":
            self.content.refresh = target

    def _start_iframe(self, found: dict[str, str]) -> None:
        self.content.frames.append((found.get("name", ""), found.get("src", "")))

    def _start_form(self, found: dict[str, str]) -> None:
        form = Form(
            action=found.get("action", ""),
            method=found.get("method", "get").lower(),
            enctype=found.get("enctype", "application/x-www-form-urlencoded").lower(),
            name=found.get("id") or found.get("name", ""),
        )
        self.content.forms.append(form)
        self._form = form
        if found.get("id"):
            self._forms[found["id"]] = form

    def _start_input(self, found: dict[str, str]) -> None:
        kind = found.get("type", "text").lower()
        if kind in {"submit", "image"}:
            self._control(found, _button(found, found.get("value", "Submit")))
            return
        if kind in {"button", "reset"} or not found.get("name"):
            return
        value = found.get("value", "on" if kind in {"checkbox", "radio"} else "")
        on = kind not in {"checkbox", "radio"} or "checked" in found
        label = found.get("aria-label", "")
        self._control(found, Field(found["name"], value, kind, label, on))

    def _start_select(self, found: dict[str, str]) -> None:
        if found.get("name"):
            self._select = Field(found["name"], "", "select", found.get("aria-label", ""))
            self._control(found, self._select)

    def _end_option(self, found: dict[str, str], text: str) -> None:
        if self._select is None:
            return
        value = found.get("value", squeeze(text))
        first = not self._select.options
        self._select.options.append((value, squeeze(text)))
        if first or "selected" in found:
            self._select.value = value

    def _end_textarea(self, found: dict[str, str], text: str) -> None:
        if found.get("name"):
            self._control(found, Field(found["name"], text.removeprefix("\n"), "textarea"))

    def _end_button(self, found: dict[str, str], text: str) -> None:
        if found.get("type", "submit").lower() == "submit":
            label = squeeze(text) or found.get("aria-label", "")
            self._control(found, _button(found, label))

    def _end_a(self, found: dict[str, str], text: str) -> None:
        if "href" in found:
            label = squeeze(text) or found.get("aria-label", "")
            self.content.links.append(Link(found["href"], label, found.get("target", "")))

    def _end_label(self, found: dict[str, str], text: str) -> None:
        for one in self._label_fields:
            one.label = squeeze(text)
        self._label_fields = []
        if found.get("for"):
            self._labels[found["for"]] = squeeze(text)

    def _end_title(self, found: dict[str, str], text: str) -> None:
        del found
        self.content.title = squeeze(text)

    def _control(self, found: dict[str, str], control: Field | Button) -> None:
        if "disabled" in found:
            return
        if isinstance(control, Field):
            if "label" in self._captures:
                self._label_fields.append(control)
            if found.get("id"):
                self._ids.append((found["id"], control))
        if "form" in found:
            self._late.append((found["form"], control))
        elif self._form is not None:
            _attach(self._form, control)


def _button(found: dict[str, str], label: str) -> Button:
    return Button(
        label,
        found.get("name", ""),
        found.get("value", ""),
        found.get("formaction", ""),
        found.get("formmethod", ""),
    )


def _attach(form: Form, control: Field | Button) -> None:
    if isinstance(control, Field):
        form.fields.append(control)
    else:
        form.buttons.append(control)


def find_form(forms: list[Form], wanted: str | None) -> tuple[Form, Button | None]:
    """The form named, or that has the button named or labelled so; None takes the only one.

    Raises ``NotFound`` saying what there is.
    """
    if wanted is None and len(forms) == 1:
        return forms[0], forms[0].buttons[0] if forms[0].buttons else None
    for form in forms:
        if wanted is not None and wanted == form.name:
            return form, form.buttons[0] if form.buttons else None
    for form in forms:
        for button in form.buttons:
            if wanted is not None and wanted in {button.label, button.name, button.value}:
                return form, button
    there = "; ".join(
        f"form {form.name!r} with buttons {[one.label for one in form.buttons]}" for form in forms
    )
    raise NotFound("no-form", f"No form or button {wanted!r} here. There is: {there or 'none'}.")
