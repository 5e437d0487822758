"""What a person's last launch said, so that an equal one costs next to nothing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty until the next launch."""
    with op.batch_alter_table("enrolment") as batch:
        batch.add_column(sa.Column("launch_fingerprint", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Every launch is compared field by field again."""
    with op.batch_alter_table("enrolment") as batch:
        batch.drop_column("launch_fingerprint")
