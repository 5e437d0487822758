"""A credential inside an SVG: a foreign reader takes it out as it went in."""

from __future__ import annotations

import json

import pytest
from openbadgeslib.ob3.verifier import OB3Verifier

from app.credentials import bake, designs
from app.credentials.verify import pictures
from app.errors import Conflict, Invalid

SVG = designs.svg("shield", "indigo", "Prüfung <1> & ]]> so weiter")
VALUE = {"id": "urn:uuid:1", "name": "Ä ® 𝄞 ]]> </svg> & <b>", "type": ["VerifiableCredential"]}


def test_others_read_what_was_baked() -> None:
    signed = json.dumps(VALUE, ensure_ascii=False).encode()
    baked = bake.bake_svg(SVG, signed)
    assert baked.isascii()
    assert json.loads(OB3Verifier.extract_token_from_svg(baked)) == VALUE
    assert json.loads(pictures.from_svg(baked)) == VALUE


def test_the_picture_stays_the_same() -> None:
    baked = bake.bake_svg(designs.svg("shield", "indigo", "Plain"), b"{}").decode()
    plain = designs.svg("shield", "indigo", "Plain")
    assert baked[baked.index("<title>") :] == plain[plain.index("<title>") :]


def test_it_is_never_baked_twice_nor_into_something_else() -> None:
    with pytest.raises(Conflict):
        bake.bake_svg(bake.bake_svg(SVG, b"{}").decode(), b"{}")
    with pytest.raises(Invalid):
        bake.bake_svg("<html></html>", b"{}")
    with pytest.raises(Invalid):
        bake.bake_svg(SVG, b"\xff")
