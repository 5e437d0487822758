"""Badges say more of themselves, are drawn to order, and speak several languages"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0190"
down_revision = "0150"
branch_labels = None
depends_on = None

PARTS = ("details", "drawing", "editions")
CHOICES = ("hides_evidence", "shows_results")


def upgrade() -> None:
    with op.batch_alter_table("achievement_version") as table:
        for part in PARTS:
            table.add_column(sa.Column(part, sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("award") as table:
        for choice in CHOICES:
            table.add_column(
                sa.Column(choice, sa.Boolean(), nullable=False, server_default=sa.false())
            )
    with op.batch_alter_table("issuer") as table:
        table.add_column(
            sa.Column("admits_instructors", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    with op.batch_alter_table("issuer") as table:
        table.drop_column("admits_instructors")
    with op.batch_alter_table("award") as table:
        for choice in reversed(CHOICES):
            table.drop_column(choice)
    with op.batch_alter_table("achievement_version") as table:
        for part in reversed(PARTS):
            table.drop_column(part)
