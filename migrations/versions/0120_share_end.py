"""A public link may close by itself"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0120"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("share") as table:
        table.add_column(sa.Column("expires_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("share") as table:
        table.drop_column("expires_at")
