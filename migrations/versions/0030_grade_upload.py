"""Grades from uploaded files"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import BigId, UtcDateTime

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Files under preview, and what each upload changed."""
    op.create_table(
        "grade_upload",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("sealed", sa.String(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_grade_upload_course_id_course")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_grade_upload_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_upload")),
    )
    op.create_index(op.f("ix_grade_upload_course_id"), "grade_upload", ["course_id"])
    op.create_index(op.f("ix_grade_upload_expires_at"), "grade_upload", ["expires_at"])
    op.create_table(
        "grade_upload_change",
        sa.Column("id", BigId, nullable=False),
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("result_id", BigId, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["grade_upload.id"],
            name=op.f("fk_grade_upload_change_upload_id_grade_upload"),
        ),
        sa.ForeignKeyConstraint(
            ["result_id"], ["result.id"], name=op.f("fk_grade_upload_change_result_id_result")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_upload_change")),
    )
    op.create_index(
        op.f("ix_grade_upload_change_upload_id"), "grade_upload_change", ["upload_id"]
    )


def downgrade() -> None:
    """Grades that came from files stay as results."""
    op.drop_table("grade_upload_change")
    op.drop_table("grade_upload")
