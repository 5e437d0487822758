"""What the SIS holds: gradebook records, who wrote them when, and its switches. In memory, locked."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.demo.sis.roster import CATEGORY, MODIFIED, Roster
from app.demo.sis.status import RefusalError, bad_data, unknown

Record = dict[str, Any]

COLLECTIONS = {
    "categories": "category",
    "lineItems": "lineItem",
    "results": "result",
    "assessmentLineItems": "assessmentLineItem",
    "assessmentResults": "assessmentResult",
}
_ROSTER_REFS = {"class": "classes", "school": "orgs", "academicSession": "academicSessions"}
_GRADEBOOK_REFS = {
    "lineItem": "lineItems",
    "assessmentLineItem": "assessmentLineItems",
    "parentAssessmentLineItem": "assessmentLineItems",
    "category": "categories",
}
_HELD_BY = {
    "categories": ("lineItems", "category"),
    "lineItems": ("results", "lineItem"),
    "assessmentLineItems": ("assessmentResults", "assessmentLineItem"),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """Behaviours of vendors that can be turned on while it runs.

    ``server_allocated_ids``: the SIS keeps ids of its own, answers each PUT with the pair of
    supplied and allocated id, and knows only the allocated one afterwards. ``secret_expired``: the
    client's secret and its tokens are no longer good. ``token_seconds``: life of new tokens.
    """

    server_allocated_ids: bool = False
    secret_expired: bool = False
    token_seconds: int = 600


@dataclass(frozen=True, slots=True)
class Write:
    """One change that was accepted; ``changed`` is False when it said what already stood there."""

    at: str
    method: str
    collection: str
    sourced_id: str
    created: bool
    changed: bool


class Store:
    """The gradebook of one SIS. Every method is safe to call from many threads.

    A record is replaced as a whole and never changed in place, so what is handed out stays true to
    its moment.
    """

    def __init__(self, roster: Roster, switches: Switches) -> None:
        self._lock = threading.RLock()
        self.roster = roster
        self._first_switches = switches
        self.reset()

    def reset(self) -> None:
        """Back to the first day: one category, no results, no history, switches as configured."""
        with self._lock:
            category = {
                "sourcedId": CATEGORY,
                "status": "active",
                "dateLastModified": MODIFIED,
                "title": "Micro-credentials",
            }
            self._records: dict[str, dict[str, Record]] = {name: {} for name in COLLECTIONS}
            self._records["categories"][CATEGORY] = category
            self._writes: Counter[str] = Counter()
            self._history: list[Write] = []
            self._allocated: dict[tuple[str, str], str] = {}
            self._switches = self._first_switches

    @property
    def switches(self) -> Switches:
        """How the SIS behaves at this moment."""
        with self._lock:
            return self._switches

    def switch(self, changes: Mapping[str, Any]) -> Switches:
        """Change some switches; raises TypeError for one that does not exist."""
        with self._lock:
            self._switches = replace(self._switches, **changes)
            return self._switches

    def put(self, collection: str, sourced_id: str, record: Record) -> tuple[bool, str]:
        """Create or replace; returns (created, the id it is kept under).

        Raises RefusalError when the ids differ or something that it points at is not here.
        """
        if record["sourcedId"] != sourced_id:
            raise bad_data(f"The body is about {record['sourcedId']}, the path about {sourced_id}.")
        with self._lock:
            self._check_references(record)
            kept_id = self._id_for(collection, sourced_id)
            kept = record | {"sourcedId": kept_id}
            before = self._records[collection].get(kept_id)
            self._records[collection][kept_id] = kept
            self._note("PUT", collection, kept_id, created=before is None, changed=before != kept)
            return before is None, kept_id

    def get(self, collection: str, sourced_id: str) -> Record:
        """One record; raises RefusalError (404) when it is not here."""
        with self._lock:
            record = self._records[collection].get(sourced_id)
            if record is None:
                raise unknown(COLLECTIONS[collection], sourced_id)
            return record

    def all(self, collection: str) -> list[Record]:
        """Every record of a collection in the order of arrival."""
        with self._lock:
            return list(self._records[collection].values())

    def delete(self, collection: str, sourced_id: str) -> None:
        """Remove one record; RefusalError when it is not here or others still point at it."""
        with self._lock:
            self.get(collection, sourced_id)
            holder, name = _HELD_BY.get(collection, ("", ""))
            held = self._records.get(holder, {}).values()
            if any(other[name]["sourcedId"] == sourced_id for other in held):
                raise RefusalError(422, "deletefailure", f"There are {holder} for {sourced_id}.")
            del self._records[collection][sourced_id]
            self._note("DELETE", collection, sourced_id, created=False, changed=True)

    def history(self) -> list[Write]:
        """Every accepted change, oldest first."""
        with self._lock:
            return list(self._history)

    def dump(self) -> dict[str, Any]:
        """Everything: ``records`` by collection and id, ``writes`` per ``collection/id``,
        ``history``, ``allocated`` ids and ``switches``.
        """
        with self._lock:
            return {
                "records": {name: dict(kept) for name, kept in self._records.items()},
                "writes": dict(self._writes),
                "history": [asdict(write) for write in self._history],
                "allocated": {f"{c}/{s}": kept for (c, s), kept in self._allocated.items()},
                "switches": asdict(self._switches),
            }

    def _id_for(self, collection: str, sourced_id: str) -> str:
        """The id to keep a record under: as supplied, or the one allocated for it."""
        if not self._switches.server_allocated_ids or sourced_id in self._records[collection]:
            return sourced_id
        return self._allocated.setdefault((collection, sourced_id), f"SIS-{uuid.uuid4().hex[:12]}")

    def _check_references(self, record: Record) -> None:
        for field, collection in _ROSTER_REFS.items():
            if field in record and not self.roster.has(collection, record[field]["sourcedId"]):
                raise bad_data(f"{field}: nothing has the sourcedId {record[field]['sourcedId']}.")
        for field, collection in _GRADEBOOK_REFS.items():
            if field in record and record[field]["sourcedId"] not in self._records[collection]:
                raise bad_data(f"{field}: nothing has the sourcedId {record[field]['sourcedId']}.")
        if "student" in record and not self.roster.is_student(record["student"]["sourcedId"]):
            raise bad_data(f"student: no student is known as {record['student']['sourcedId']}.")

    def _note(self, method: str, collection: str, sourced_id: str, **facts: bool) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._writes[f"{collection}/{sourced_id}"] += 1
        self._history.append(Write(at, method, collection, sourced_id, **facts))
