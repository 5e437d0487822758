"""Student information systems: one file per adapter and this table.

A new adapter is a module with its form fields and a ``build`` function, one line here, and one
case in the contract suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.delivery.sis.connection import Adapter
from app.delivery.sis.oneroster_csv import build_csv
from app.delivery.sis.oneroster_fields import CSV_FIELDS, REST_FIELDS
from app.delivery.sis.oneroster_rest import build_rest

ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {
        "oneroster_rest": Adapter("OneRoster 1.2 (REST)", REST_FIELDS, build_rest),
        "oneroster_csv": Adapter("OneRoster 1.2 (CSV files)", CSV_FIELDS, build_csv),
    }
)
