"""How one demo LMS is set up."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LmsConfig:
    """One campus: which vendor it plays, how many learners it has and how they come about.

    ``complete`` gives every learner an e-mail address and a SIS id; without it two have no address
    and one has no SIS id, as on a real campus. ``base_url`` is the public address without a slash
    at the end; empty means "the loopback address of the server's port". ``hosts`` says which public
    origins are really served elsewhere, see ``app.demo.hosts``. ``wall`` (PUBLIC=LOOPBACK) serves
    the tool at LOOPBACK under the https address PUBLIC, see ``wall``.
    """

    mode: str = "moodle"
    learners: int = 30
    seed: int = 1
    complete: bool = False
    base_url: str = ""
    wall: str = ""
    hosts: dict[str, str] = field(default_factory=dict)
