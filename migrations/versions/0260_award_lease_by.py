"""Several processes sign what waits, and what one held that has ended is free at once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0260"
down_revision = "0160"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A lease on an award may name its process."""
    with op.batch_alter_table("award") as table:
        table.add_column(sa.Column("lease_by", sa.String(length=100), nullable=True))


def downgrade() -> None:
    """Such leases run out by their time."""
    with op.batch_alter_table("award") as table:
        table.drop_column("lease_by")
