"""Each known fault is handled, and its case fails as soon as the handling is taken away.

``FAULTS`` is the table. A check that cannot fail is a defect: that is why each case runs a second
time, in which it has to fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Select, delete, select

import app.lti.tokens
from app.errors import AppError
from app.models import AccessToken
from tests.contract.lms_faults import FAULTS, Fault
from tests.contract.lms_rigs import World, worlds


@pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
def test_fault_is_handled_and_the_case_would_see_it_if_not(fault: Fault, tmp_path: Path) -> None:
    """Two fresh turns at one campus: with the handling, then without it."""
    with campus(fault, tmp_path / "with") as world:
        fault.case(world, 0)
        if fault.registered:
            world.control("clock_skew", seconds=0)
            world.control("page_size", size=0)
            forget_tokens(world)
            assert fails(fault, world)
            return
    with campus(fault, tmp_path / "without") as world:
        assert fails(fault, world)


@contextmanager
def campus(fault: Fault, folder: Path) -> Iterator[World]:
    """One LMS for a fault, registered where the case wants that."""
    folder.mkdir()
    with worlds(folder, fault.mode, learners=fault.learners) as (world,):
        if fault.registered:
            world.register()
        yield world


def forget_tokens(world: World) -> None:
    """The next call needs a new access token."""
    with world.db.transaction() as session:
        session.execute(delete(AccessToken))


def fails(fault: Fault, world: World) -> bool:
    """Whether the case notices that the handling is gone; a broken naive change does not count."""
    with pytest.MonkeyPatch.context() as patch:
        fault.naive(patch)
        try:
            fault.case(world, 1)
        except (NameError, TypeError, AttributeError, ImportError):
            raise
        except (Exception, pytest.fail.Exception) as noticed:
            print(f"{fault.mode}: {fault.name}: {type(noticed).__name__} {noticed}"[:300])  # noqa: T201
            return True
    return False


def test_two_schools_with_one_issuer_are_kept_apart(tmp_path: Path) -> None:
    """The same people numbers and the same issuer at two LMSs: two people, two tokens."""
    with worlds(tmp_path, "canvas", "canvas") as (first, second):
        first.register()
        second.register()
        assert first.platform.issuer == second.platform.issuer
        number = first.numbers("learner")[0]
        assert first.sub(number) == second.sub(number)
        for school in (first, second):
            school.enter(number)
            assert len(school.items()) == 12
        assert first.person(number).learner_id != second.person(number).learner_id
        assert first.course_id != second.course_id
        forget_tokens(first)
        assert len(first.items()) == 12
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app.lti.tokens, "_chosen", by_issuer_alone)
            with pytest.raises(AppError):
                second.items()


def by_issuer_alone(platform: object, scopes: str) -> Select[AccessToken]:
    """The token cache of a library that forgets whose token it is."""
    return select(AccessToken).where(AccessToken.scopes == scopes).limit(1)
