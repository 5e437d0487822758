"""Logins keep nothing until they are answered: their state carries itself, sealed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0100"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Logins under way are lost: people open Tassel again."""
    op.drop_index(op.f("ix_launch_state_expires_at"), "launch_state")
    op.drop_table("launch_state")
    op.create_table(
        "answered_login",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("storage", sa.String(length=20), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_answered_login_platform_id_platform")
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_answered_login")),
    )
    op.create_index(op.f("ix_answered_login_expires_at"), "answered_login", ["expires_at"])


def downgrade() -> None:
    """A row for each login again."""
    op.drop_index(op.f("ix_answered_login_expires_at"), "answered_login")
    op.drop_table("answered_login")
    op.create_table(
        "launch_state",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=1000), nullable=False),
        sa.Column("binding_hash", sa.String(length=64), nullable=False),
        sa.Column("storage", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("storage_target", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_launch_state_platform_id_platform")
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_launch_state")),
    )
    op.create_index(op.f("ix_launch_state_expires_at"), "launch_state", ["expires_at"])
