"""A student information system that speaks OneRoster 1.2, stateful and strict.

Door: ``create_sis(SisConfig())``. It keeps what is written to its gradebook, refuses whatever the
closed shapes of the binding refuse, and shows a registrar what arrived.

- ``records`` the shapes, ``store`` what it holds, ``roster`` who it knows
- ``gradebook``, ``rostering``, ``oauth`` the services; ``lists``, ``status`` their manners
- ``pages`` the registrar's screens; ``control`` state and switches for tests and stories
"""

from __future__ import annotations

from app.demo.sis.app import create_sis
from app.demo.sis.config import SisConfig, SisPerson, read_people

__all__ = ["SisConfig", "SisPerson", "create_sis", "read_people"]
