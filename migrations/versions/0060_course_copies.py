"""Copies of courses: their history, what was brought, and the LMS's notices about them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0060"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("course") as table:
        table.add_column(sa.Column("history", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("deployment") as table:
        table.add_column(sa.Column("notices_url", sa.String(1000), nullable=True))
        table.add_column(
            sa.Column("notices_state", sa.String(20), nullable=False, server_default="")
        )
        table.add_column(sa.Column("notices_tried_at", UtcDateTime(), nullable=True))
    with op.batch_alter_table("assessment") as table:
        for name in ("tag", "resource_id", "link_id"):
            table.add_column(sa.Column(name, sa.String(300), nullable=True))
    with op.batch_alter_table("achievement") as table:
        table.add_column(sa.Column("continues_id", sa.String(36), nullable=True))
        table.create_foreign_key(
            op.f("fk_achievement_continues_id_achievement"), "achievement", ["continues_id"], ["id"]
        )
        table.create_index(op.f("ix_achievement_continues_id"), ["continues_id"])
    op.create_table(
        "course_copy",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("course_id", sa.String(36), nullable=False),
        sa.Column("origin_id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("brought", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_course_copy_course_id_course")
        ),
        sa.ForeignKeyConstraint(
            ["origin_id"], ["course.id"], name=op.f("fk_course_copy_origin_id_course")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_copy")),
        sa.UniqueConstraint(
            "course_id", "origin_id", name=op.f("uq_course_copy_course_id_origin_id")
        ),
    )
    op.create_index(op.f("ix_course_copy_origin_id"), "course_copy", ["origin_id"])
    op.create_table(
        "copy_notice",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("notice_id", sa.String(64), nullable=False),
        sa.Column("deployment_id", sa.String(36), nullable=False),
        sa.Column("context_id", sa.String(300), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_copy_notice_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployment.id"],
            name=op.f("fk_copy_notice_deployment_id_deployment"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_notice")),
        sa.UniqueConstraint(
            "platform_id", "notice_id", name=op.f("uq_copy_notice_platform_id_notice_id")
        ),
    )
    op.create_index("ix_copy_notice_context", "copy_notice", ["deployment_id", "context_id"])
    op.create_table(
        "link_history",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("course_id", sa.String(36), nullable=False),
        sa.Column("link_id", sa.String(300), nullable=False),
        sa.Column("previous", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_link_history_course_id_course")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_history")),
        sa.UniqueConstraint("course_id", "link_id", name=op.f("uq_link_history_course_id_link_id")),
    )


def downgrade() -> None:
    for name in ("link_history", "copy_notice", "course_copy"):
        op.drop_table(name)
    with op.batch_alter_table("achievement") as table:
        table.drop_index(op.f("ix_achievement_continues_id"))
        table.drop_constraint(op.f("fk_achievement_continues_id_achievement"), type_="foreignkey")
        table.drop_column("continues_id")
    with op.batch_alter_table("assessment") as table:
        for name in ("link_id", "resource_id", "tag"):
            table.drop_column(name)
    with op.batch_alter_table("deployment") as table:
        for name in ("notices_tried_at", "notices_state", "notices_url"):
            table.drop_column(name)
    with op.batch_alter_table("course") as table:
        table.drop_column("history")
