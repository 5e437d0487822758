"""``python -m app.cli`` is ``tassel``."""

from __future__ import annotations

from app.cli import main

main()
