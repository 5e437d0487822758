"""Somebody who was erased stays erased: keyed marks, and entries of status lists"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0160"
down_revision = "0180"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Four new tables."""
    op.create_table(
        "erasure",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("badges", sa.String(length=20), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_table(
        "tombstone",
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("erasure_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["erasure.id"], name=op.f("fk_tombstone_erasure_id_erasure")
        ),
        sa.PrimaryKeyConstraint("mark", "erasure_id", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "tombstone_key",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstone_key")),
    )
    op.create_table(
        "erased_entry",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status_list_id", sa.String(length=36), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["status_list_id"],
            ["status_list.id"],
            name=op.f("fk_erased_entry_status_list_id_status_list"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erased_entry")),
        sa.UniqueConstraint(
            "status_list_id", "status_index", name=op.f("uq_erased_entry_status_list_id_status_index")
        ),
    )


def downgrade() -> None:
    """Who was erased can come back with the next list of an LMS."""
    for table in ("erased_entry", "tombstone_key", "tombstone", "erasure"):
        op.drop_table(table)
