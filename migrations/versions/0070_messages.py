"""Content selections that wait for an answer, and what is known from LTI 1.1"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None

_INDEX = "ix_person_installation_lti11_user"


def upgrade() -> None:
    """Nothing is known yet."""
    op.create_table(
        "content_selection",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("return_url", sa.String(), nullable=False),
        sa.Column("data", sa.String(), nullable=True),
        sa.Column("accepts", sa.JSON(), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("multiple", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_content_selection_course_id_course")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_content_selection_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_selection")),
    )
    with op.batch_alter_table("content_selection") as batch:
        batch.create_index(op.f("ix_content_selection_expires_at"), ["expires_at"])
    with op.batch_alter_table("person") as batch:
        batch.add_column(sa.Column("lti11_user_id", sa.String(length=300), nullable=True))
        batch.create_index(_INDEX, ["installation_id", "lti11_user_id"])
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("lti11_key", sa.String(length=300), nullable=True))
        batch.add_column(sa.Column("lti11_secret", sa.String(), nullable=True))


def downgrade() -> None:
    """Without them."""
    with op.batch_alter_table("installation") as batch:
        batch.drop_column("lti11_secret")
        batch.drop_column("lti11_key")
    with op.batch_alter_table("person") as batch:
        batch.drop_index(_INDEX)
        batch.drop_column("lti11_user_id")
    op.drop_table("content_selection")
