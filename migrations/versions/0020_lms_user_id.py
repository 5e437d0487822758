"""The LMS's own id of a person, to join what its other interfaces say"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_person_installation_lms_user"


def upgrade() -> None:
    """Empty until the next launch or the next reading of the roster."""
    with op.batch_alter_table("person") as batch:
        batch.add_column(sa.Column("lms_user_id", sa.String(length=300), nullable=True))
        batch.create_index(_INDEX, ["installation_id", "lms_user_id"])


def downgrade() -> None:
    """Without the ids."""
    with op.batch_alter_table("person") as batch:
        batch.drop_index(_INDEX)
        batch.drop_column("lms_user_id")
