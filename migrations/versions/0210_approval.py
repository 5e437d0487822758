"""Issuers that look at badges before they are published in their name"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0210"
down_revision = "0170"
branch_labels = None
depends_on = None

POINTERS = ("achievement", "course", "issuer")


def upgrade() -> None:
    """One new table."""
    op.create_table(
        "publication_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        *(sa.Column(f"{name}_id", sa.String(length=36), nullable=False) for name in POINTERS),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("word", sa.Text(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"], [f"{name}.id"], name=op.f(f"fk_publication_request_{name}_id_{name}")
            )
            for name in POINTERS
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication_request")),
    )
    for name in ("achievement_id", "state"):
        op.create_index(op.f(f"ix_publication_request_{name}"), "publication_request", [name])


def downgrade() -> None:
    """Requests are lost; what was approved stays published."""
    op.drop_table("publication_request")
