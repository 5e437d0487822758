"""A column of ours that a teacher deleted stays deleted until somebody asks for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0090"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("course_column") as table:
        table.add_column(sa.Column("gone_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("course_column") as table:
        table.drop_column("gone_at")
