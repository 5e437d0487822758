"""Launches in browsers that keep no cookie of ours"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0080"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Logins under way are lost: people open Tassel again."""
    op.execute(sa.text("DELETE FROM launch_state"))
    with op.batch_alter_table("launch_state") as batch:
        batch.add_column(sa.Column("params", sa.JSON(), nullable=False))
        batch.add_column(sa.Column("storage_target", sa.String(length=200), nullable=True))
    op.create_table(
        "session_code",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("expires_at", app.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["browser_session.id"],
            name=op.f("fk_session_code_session_id_browser_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_session_code")),
    )
    op.create_index(op.f("ix_session_code_expires_at"), "session_code", ["expires_at"])


def downgrade() -> None:
    """Only browsers with cookies again."""
    op.drop_table("session_code")
    with op.batch_alter_table("launch_state") as batch:
        batch.drop_column("storage_target")
        batch.drop_column("params")
