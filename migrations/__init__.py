"""Alembic migrations: numbered, one head. Shipped in the wheel."""
