"""JSON Canonicalization Scheme (RFC 8785): the bytes that the ``jcs`` cryptosuites sign."""

from __future__ import annotations

import json
import math
from typing import Any

from app.errors import Invalid
from app.words import say


def canonical(value: Any) -> bytes:
    """``value`` as canonical JSON.

    :raises Invalid: a number that no IEEE 754 double holds (code ``bad-json``).
    """
    return _text(value).encode("utf-8")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_string(name)}:{_text(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(part) for part in value) + "]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return _number(value)


def _string(text: str) -> str:
    """As ECMAScript writes it; Python differs in nothing but U+007F, which it leaves alone too."""
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMAScript's Number::toString: shortest digits, exponents from 1e21 and below 1e-6."""
    try:
        double = float(value)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double):
        raise Invalid("bad-json", say("A number is too large for JSON."))
    if double == 0:
        return "0"
    mantissa, _, exponent = f"{abs(double)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + ("" if fraction == "0" and not exponent else fraction)
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return ("-" if double < 0 else "") + _placed(stripped.rstrip("0"), point)


def _placed(digits: str, point: int) -> str:
    """``digits`` with the decimal point after the first ``point`` of them."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = point - 1
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{'+' if power > 0 else '-'}{abs(power)}"
