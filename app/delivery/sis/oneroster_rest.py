"""OneRoster 1.2 over REST: an award becomes an assessment result, or a result of a class.

The line item of an achievement is put once, then one result per award, all by PUT under ids of our
own: repeating a request is always safe. Servers that allocate ids of their own answer a PUT with
``sourcedIdPairs``; the allocated id is then used in references and for deletion.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import quote

from app.delivery.port import AwardFacts, Http, Operation, Outcome, Planned, TestLine
from app.delivery.sis.connection import CONNECTION_ID, incomplete, is_on, read
from app.delivery.sis.messages import missing, not_tried, transport
from app.delivery.sis.oneroster_answers import Said, judge, listen
from app.delivery.sis.oneroster_fields import REST_FIELDS, scopes_for
from app.delivery.sis.oneroster_probe import probe
from app.delivery.sis.oneroster_records import (
    COLLECTION_OF,
    COLUMN_OF,
    Recipe,
    RecordKind,
    column,
    column_id,
    result,
    result_id,
)
from app.delivery.sis.oneroster_token import TokenRefusedError, TokenSource, any_status
from app.errors import UpstreamError

GIVE_UP_AFTER = 3
"""So many rows in a row without a usable answer, and the rest of a batch waits."""


class _StopError(Exception):
    """The step failed; ``outcome`` is what the delivery gets."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass
class _Columns:
    """Line items that this object has put: our id to the id that the SIS knows them by."""

    _known: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, ours: str) -> str | None:
        """The SIS's id of a line item, None when it was not put yet."""
        with self._lock:
            return self._known.get(ours)

    def put(self, ours: str, theirs: str) -> None:
        """Remember a line item."""
        with self._lock:
            self._known[ours] = theirs

    def forget(self, ours: str) -> None:
        """The SIS has lost it, or somebody deleted it there."""
        with self._lock:
            self._known.pop(ours, None)


class OneRosterRest:
    """Target ``oneroster_rest``. Safe to use from many threads."""

    kind = "oneroster_rest"

    def __init__(self, values: Mapping[str, str], connection_id: str, http: Http) -> None:
        self._http = http
        self._values = values
        self.system = values["name"]
        self.recipe = _recipe(values, connection_id)
        self._marks = values["revoke"] == "mark"
        self._foreign_ids = values["ids"] == "sis"
        self._columns = _Columns()
        self._tokens = TokenSource(
            http,
            url=values["token_url"],
            client_id=values["client_id"],
            client_secret=values["client_secret"],
            style="post" if values["auth_style"] == "post" else "basic",
            scope=values["scope"] or scopes_for(self.recipe.record),
            system=self.system,
        )

    def test(self) -> list[TestLine]:
        """Token, roster, gradebook, then a write that must be refused for its content alone."""
        return probe(self, self._values)

    def preview(self, facts: AwardFacts, operation: str) -> Planned | Outcome:
        """The requests of this award with the ids as known so far."""
        held = missing(facts, needs_class=self.recipe.record == "result")
        if held is not None:
            return held
        known = self._columns.get(column_id(self.recipe, facts))
        return self._plan(facts, operation, known or column_id(self.recipe, facts))

    def send_many(self, batch: Sequence[tuple[str, AwardFacts, str]]) -> Mapping[str, Outcome]:
        """One row after the other; see ``Target.send_many``."""
        outcomes: dict[str, Outcome] = {}
        silent = 0
        stopped: Outcome | None = None
        for delivery_id, facts, operation in batch:
            if stopped is not None:
                held = missing(facts, needs_class=self.recipe.record == "result")
                outcomes[delivery_id] = held or not_tried(stopped)
                continue
            outcome = outcomes[delivery_id] = self._send(facts, operation)
            silent = silent + 1 if outcome.code in _SILENCES else 0
            if outcome.attention or outcome.code == "sis-busy" or silent >= GIVE_UP_AFTER:
                stopped = outcome
        return outcomes

    def fetch(self, remote_ref: str) -> dict[str, Any] | None:
        """GET ``collection/id``; the record without its envelope."""
        collection, _, sourced_id = remote_ref.partition("/")
        url = f"{self.recipe.gradebook}/{collection}/{quote(sourced_id, safe='')}"
        try:
            said = self.ask("GET", url)
        except TokenRefusedError as refused:
            raise self._upstream(refused.outcome) from refused
        if said.status == 404 and not said.unreadable:
            return None
        outcome = judge(said, self.system)
        if outcome is not None:
            raise self._upstream(outcome)
        record = next(iter(said.body.values()), None) if isinstance(said.body, dict) else None
        return record if isinstance(record, dict) else None

    def ask(self, method: str, url: str, payload: dict[str, Any] | None = None) -> Said:
        """One request with a token, renewed once when it is refused.

        Raises TokenRefusedError, or UpstreamError when no answer came.
        """
        for last in (False, True):
            token = self._tokens.get()
            answer = self._http.request(
                method,
                url,
                system=self.system,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                json=payload,
                ok=any_status,
            )
            said = listen(answer, [token, self._values["client_secret"]])
            if said.status != 401 or last:
                break
            self._tokens.discard(token)
        return said

    @property
    def token_url(self) -> str:
        """Where tokens come from."""
        return self._tokens.url

    def token(self) -> str:
        """A token, for the connection test. Raises as ``ask`` does."""
        return self._tokens.get()

    def _send(self, facts: AwardFacts, operation: str) -> Outcome:
        held = missing(facts, needs_class=self.recipe.record == "result")
        if held is not None:
            return held
        try:
            return self._revoke(facts) if operation == "revoke" else self._create(facts)
        except _StopError as stop:
            return stop.outcome
        except TokenRefusedError as refused:
            return refused.outcome
        except UpstreamError as error:
            return transport(error, self.system)

    def _create(self, facts: AwardFacts) -> Outcome:
        remote = self._put_result(facts, "create")
        return Outcome("sent", "delivered", f"{self.system} has the record.", remote_ref=remote)

    def _revoke(self, facts: AwardFacts) -> Outcome:
        """Mark the record or delete it; one that is gone already is as good as deleted."""
        collection = COLLECTION_OF[self.recipe.record]
        remote = f"{collection}/{result_id(self.recipe, facts)}"
        if self._marks or self._foreign_ids:
            # Where the SIS allocates ids, putting it first tells which one to delete.
            remote = self._put_result(facts, "revoke")
        if self._marks:
            message = f"{self.system} has marked the record for deletion."
            return Outcome("sent", "marked-for-deletion", message, remote_ref=remote)
        said = self.ask("DELETE", f"{self.recipe.gradebook}/{remote}")
        if said.status == 404 and not said.unreadable:
            message = f"{self.system} had no such record any more."
            return Outcome("sent", "already-gone", message, status=404, raw=said.raw)
        outcome = judge(said, self.system)
        return outcome or Outcome(
            "sent", "deleted", f"{self.system} has deleted the record.", status=said.status
        )

    def _put_result(self, facts: AwardFacts, operation: Operation) -> str:
        """PUT the result below its line item; returns ``collection/id``. Raises _StopError."""
        ours = column_id(self.recipe, facts)
        remembered = self._columns.get(ours)
        theirs = remembered or self._put_column(facts)
        said = self._put(self._put_plan(facts, operation, theirs))
        outcome = judge(said, self.system)
        if outcome is not None and outcome.kind == "never" and remembered:
            self._columns.forget(ours)
            said = self._put(self._put_plan(facts, operation, self._put_column(facts)))
            outcome = judge(said, self.system)
        if outcome is not None:
            raise _StopError(outcome)
        kept_id = _allocated(said, result_id(self.recipe, facts))
        return f"{COLLECTION_OF[self.recipe.record]}/{quote(kept_id, safe='')}"

    def _put_column(self, facts: AwardFacts) -> str:
        """PUT the line item; returns the id that the SIS knows it by. Raises _StopError."""
        ours = column_id(self.recipe, facts)
        said = self._put(self._column_plan(facts))
        outcome = judge(said, self.system)
        if outcome is not None:
            message = f"The line item of the badge could not be written. {outcome.message}"
            raise _StopError(replace(outcome, message=message))
        theirs = _allocated(said, ours)
        self._columns.put(ours, theirs)
        return theirs

    def _put(self, plan: Planned) -> Said:
        return self.ask(plan.method, plan.url, cast(dict[str, Any], plan.payload))

    def _plan(self, facts: AwardFacts, operation: str, column_ref: str) -> Planned:
        if operation == "revoke" and not self._marks:
            collection, sourced_id = (
                COLLECTION_OF[self.recipe.record],
                result_id(self.recipe, facts),
            )
            url = f"{self.recipe.gradebook}/{collection}/{sourced_id}"
            return Planned(
                "revoke", "DELETE", url, None, f"Delete the record of {facts.learner_sis_id}"
            )
        return self._put_plan(facts, "revoke" if operation == "revoke" else "create", column_ref)

    def _put_plan(self, facts: AwardFacts, operation: Operation, column_ref: str) -> Planned:
        kind = self.recipe.record
        record = result(self.recipe, facts, column_ref, revoked=operation == "revoke")
        url = f"{self.recipe.gradebook}/{COLLECTION_OF[kind]}/{record['sourcedId']}"
        verb = "Mark for deletion" if operation == "revoke" else "Record"
        return Planned(
            operation,
            "PUT",
            url,
            {kind: record},
            f"{verb}: {facts.achievement_name}, learner {facts.learner_sis_id}",
            warnings=self._warnings(facts),
            before=(self._column_plan(facts),),
        )

    def _column_plan(self, facts: AwardFacts) -> Planned:
        kind = COLUMN_OF[self.recipe.record]
        record = column(self.recipe, facts)
        url = f"{self.recipe.gradebook}/{COLLECTION_OF[kind]}/{record['sourcedId']}"
        return Planned("create", "PUT", url, {kind: record}, f"Line item: {record['title']}")

    def _warnings(self, facts: AwardFacts) -> tuple[str, ...]:
        limit = self.recipe.title_limit
        found = []
        if limit and len(facts.achievement_name) > limit:
            found.append(f"The name is cut to the {limit} characters that this SIS allows.")
        if self._foreign_ids:
            found.append("The SIS allocates ids of its own: those shown here are replaced.")
        return tuple(found)

    def _upstream(self, outcome: Outcome) -> UpstreamError:
        return UpstreamError(
            outcome.code,
            outcome.message,
            system=self.system,
            permanent=outcome.kind == "never",
            fix=outcome.fix,
            status=outcome.status,
            retry_after=outcome.retry_after,
            body=outcome.raw,
        )


_SILENCES = frozenset(
    {"sis-unreachable", "sis-answer-too-long", "sis-server-error", "sis-not-data"}
)


def build_rest(config: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> OneRosterRest:
    """Make the target from a stored connection; raises ``Invalid`` with a message per field."""
    values = read(REST_FIELDS, config, secrets)
    if values["record"] == "result":
        needed = {"category_id": "Category", "school_id": "School"}
        problems = {
            name: f"{label} is needed for results in a class."
            for name, label in needed.items()
            if not values[name]
        }
        if problems:
            raise incomplete(problems)
    return OneRosterRest(values, config[CONNECTION_ID], http)


def _recipe(values: Mapping[str, str], connection_id: str) -> Recipe:
    gradebook = values["gradebook_url"].rstrip("/")
    rostering = values["rostering_url"].rstrip("/")
    return Recipe(
        connection_id=connection_id,
        record=cast(RecordKind, values["record"]),
        gradebook=gradebook,
        rostering=rostering or gradebook.replace("/gradebook/", "/rostering/"),
        title_limit=int(values["title_limit"] or 0),
        score=is_on(values["score"]),
        text_score=values["text_score"],
        other_objectives=values["other_objectives"] == "unknown",
        category_id=values["category_id"],
        school_id=values["school_id"],
    )


def _allocated(said: Said, supplied: str) -> str:
    """The id that the server says it keeps our record under, ours when it says nothing."""
    pairs = said.body.get("sourcedIdPairs") if isinstance(said.body, dict) else None
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, dict) and pair.get("suppliedSourcedId") == supplied:
            return str(pair.get("allocatedSourcedId") or supplied)
    return supplied
