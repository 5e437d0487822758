"""Self-test results, trusted administrators, key overlap, campus sign-in"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0010"
down_revision = "0001"
branch_labels = None
depends_on = None

_PLATFORM = (
    ("launched_at", UtcDateTime()),
    ("launch_skew", sa.Double()),
    ("scopes_given", sa.JSON()),
    ("findings", sa.JSON()),
    ("checked_at", UtcDateTime()),
)


def upgrade() -> None:
    """Keys that exist have signed since they were made."""
    with op.batch_alter_table("platform") as batch:
        for name, kind in _PLATFORM:
            batch.add_column(sa.Column(name, kind, nullable=True))
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("admin_role", sa.String(length=20), nullable=True))
    with op.batch_alter_table("tool_key") as batch:
        batch.add_column(sa.Column("signs_from", UtcDateTime(), nullable=True))
    op.execute(sa.text("UPDATE tool_key SET signs_from = created_at"))
    with op.batch_alter_table("tool_key") as batch:
        batch.alter_column("signs_from", existing_type=UtcDateTime(), nullable=False)
    op.create_table(
        "operator_login",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("verifier", sa.String(length=200), nullable=False),
        sa.Column("binding_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_operator_login")),
    )
    op.create_index(op.f("ix_operator_login_expires_at"), "operator_login", ["expires_at"])


def downgrade() -> None:
    """Sealed halves that were destroyed stay destroyed."""
    op.drop_index(op.f("ix_operator_login_expires_at"), table_name="operator_login")
    op.drop_table("operator_login")
    with op.batch_alter_table("tool_key") as batch:
        batch.drop_column("signs_from")
    with op.batch_alter_table("installation") as batch:
        batch.drop_column("admin_role")
    with op.batch_alter_table("platform") as batch:
        for name, _ in reversed(_PLATFORM):
            batch.drop_column(name)
