"""Many awards can be taken back together"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0130"
down_revision = "0120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_revocation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("badge_id", sa.String(length=36), nullable=True),
        sa.Column("course_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["badge_id"], ["achievement.id"], name=op.f("fk_bulk_revocation_badge_id_achievement")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_bulk_revocation_course_id_course")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_revocation")),
    )
    op.create_index(op.f("ix_bulk_revocation_state"), "bulk_revocation", ["state"])
    op.create_table(
        "bulk_revocation_award",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("bulk_id", sa.String(length=36), nullable=False),
        sa.Column("award_id", sa.String(length=36), nullable=False),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bulk_id"],
            ["bulk_revocation.id"],
            name=op.f("fk_bulk_revocation_award_bulk_id_bulk_revocation"),
        ),
        sa.ForeignKeyConstraint(
            ["award_id"], ["award.id"], name=op.f("fk_bulk_revocation_award_award_id_award")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_revocation_award")),
        sa.UniqueConstraint(
            "bulk_id", "award_id", name=op.f("uq_bulk_revocation_award_bulk_id_award_id")
        ),
    )
    op.create_index(
        op.f("ix_bulk_revocation_award_award_id"), "bulk_revocation_award", ["award_id"]
    )


def downgrade() -> None:
    op.drop_table("bulk_revocation_award")
    op.drop_table("bulk_revocation")
