"""An award can be on hold"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0140"
down_revision = "0130"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("award") as table:
        table.add_column(sa.Column("held_at", UtcDateTime(), nullable=True))
        table.add_column(sa.Column("hold_reason", sa.Text(), nullable=True))
        table.add_column(sa.Column("held_by", sa.String(length=100), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("award") as table:
        table.drop_column("held_by")
        table.drop_column("hold_reason")
        table.drop_column("held_at")
