"""Made-up people with the letters that real rosters have. Deterministic for a seed."""

from __future__ import annotations

import unicodedata
import uuid
from random import Random

from app.demo.lms.state import Person

GIVEN = [
    "Aïcha",
    "Björn",
    "Chloé",
    "Đorđe",
    "Esra",
    "Fionnuala",
    "Gökçe",
    "Hüseyin",
    "Inés",
    "João",
    "Kateřina",
    "Łukasz",
    "Mónica",
    "Nguyệt",
    "Øyvind",
    "Petra",
    "Quỳnh",
    "Rubén",
    "Søren",
    "Thảo",
    "Ümit",
    "Vėja",
    "Wójciech",
    "Ximena",
    "Yuki",
    "Zoë",
    "Amara",
    "Bilal",
    "Catarina",
    "Dmytro",
    "Eilidh",
    "Farah",
    "Giulia",
    "Hiroshi",
    "Ioana",
    "Jürgen",
    "Keisha",
    "Leilani",
    "Małgorzata",
    "Nkechi",
    "Oisín",
    "Priya",
    "Raphaël",
    "Siân",
    "Tadhg",
    "Uchenna",
    "Violeta",
    "Wanjiru",
    "Xóchitl",
    "Yaël",
    "Zuzana",
    "Anaïs",
    "Bjørg",
    "Céline",
]
FAMILY = [
    "Ångström",
    "Błaszczyk",
    "Çelik",
    "Dvořák",
    "Émond",
    "Fernández",
    "Gutiérrez",
    "Håkansson",
    "Ibáñez",
    "Jiménez",
    "Kovačević",
    "Lefèvre",
    "Müller",
    "Nuñez",
    "O'Súilleabháin",
    "Peña",
    "Quispe",
    "Rodríguez",
    "Šimunović",
    "Tölgyes",
    "Ünal",
    "Vašek",
    "Wałęsa",
    "Xirau",
    "Yılmaz",
    "Žižek",
    "Adeyemi",
    "Brâncuși",
    "Castañeda",
    "Đặng",
    "Eriksen",
    "Følsgård",
    "Grünwald",
    "Hägg",
    "Iñárritu",
    "Jónsdóttir",
    "Kjær",
    "Lindström",
    "Mäkinen",
    "Nørgaard",
    "Okonkwo",
    "Pérez",
    "Řezníček",
    "Sørensen",
    "Trần",
    "Ürményi",
    "Võ",
    "Weiß",
    "Yáñez",
    "Zółkowski",
    "Nakamura",
    "Mbeki",
    "Tanaka",
    "Sokolová",
    "Haddad",
    "Petrović",
    "Rosenberg",
]
_PLAIN = str.maketrans(
    {"đ": "d", "ł": "l", "ø": "o", "æ": "ae", "ß": "ss", "ı": "i", "'": "", "å": "a"}
)


def seeded(seed: object) -> Random:
    """Chance for make-believe: the same for the same seed, and never used for a secret."""
    return Random(str(seed))  # noqa: S311


def ascii_name(text: str) -> str:
    """The name as an account or mailbox spells it: lower case, letters a-z only."""
    folded = unicodedata.normalize("NFKD", text.lower().translate(_PLAIN))
    return "".join(letter for letter in folded if letter.isascii() and letter.isalnum())


def opaque_id(random: Random) -> str:
    """A UUID that depends on the seed only."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def make_person(
    random: Random, number: int, given: str, family: str, *, sis_id: str, mailbox: str = ""
) -> Person:
    """A person with an account name, an address at example.edu and a SIS id."""
    account = mailbox or f"{ascii_name(given)}.{ascii_name(family)}"
    return Person(
        id=number,
        uuid=opaque_id(random),
        given=given,
        family=family,
        username=account,
        email=f"{account}@example.edu",
        sis_id=sis_id,
    )


def make_learners(random: Random, first: int, count: int, *, complete: bool) -> list[Person]:
    """``count`` learners with ids from ``first`` on; the first five are those who visit the tool.

    Names repeat only after every combination of a pass was used; account names never repeat.
    """
    given, family = list(GIVEN), list(FAMILY)
    random.shuffle(given)
    random.shuffle(family)
    learners = []
    for index in range(count):
        shift = index // len(given)
        name = given[index % len(given)], family[(index + shift * 7) % len(family)]
        mailbox = f"{ascii_name(name[0])}.{ascii_name(name[1])}"
        if index >= len(given):
            mailbox += str(index)
        person = make_person(
            random, first + index, *name, sis_id=f"S-{20841 + index * 3}", mailbox=mailbox
        )
        person.visits = index < 5
        learners.append(person)
    if not complete:
        _leave_gaps(learners)
    return learners


def _leave_gaps(learners: list[Person]) -> None:
    """Take two e-mail addresses and one SIS id away, never from those who visit."""
    quiet = [person for person in learners if not person.visits]
    if len(quiet) < 3:
        return
    quiet[len(quiet) // 10].email = ""
    quiet[len(quiet) // 2].email = ""
    quiet[-len(quiet) // 4].sis_id = ""
