"""Several grade sources per course: access, grants, cursors, columns seen through each"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from app.db import Exact, UtcDateTime

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None


def _fk(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}")
    )


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(length=36), nullable=False)


def _number() -> sa.Column[int]:
    return sa.Column(
        "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
    )


def _text(name: str, length: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=null)


def _time(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def upgrade() -> None:
    """Assessments that exist are led by the source that they came from."""
    _access()
    _courses()
    _present_tables()
    op.execute(
        sa.text(
            "INSERT INTO column_source (course_id, source, external_id, assessment_id, state, "
            "identities, seen_at) SELECT course_id, source, external_id, id, state, '[]', seen_at "
            "FROM assessment"
        )
    )


def _access() -> None:
    op.create_table(
        "grade_access",
        _id(),
        _text("installation_id", 36),
        _text("source", 40),
        _text("base_url", 300),
        _text("client_id", 300),
        sa.Column("sealed", sa.String(), nullable=False),
        _text("state", 20),
        sa.Column("problem", sa.JSON(), nullable=True),
        _time("tested_at"),
        _time("created_at", null=False),
        _fk("grade_access", "installation_id", "installation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_access")),
        sa.UniqueConstraint(
            "installation_id", "source", name=op.f("uq_grade_access_installation_id_source")
        ),
    )
    op.create_table(
        "grade_grant",
        _id(),
        _text("access_id", 36),
        _text("person_id", 36, null=True),
        _text("lms_user_id", 300),
        _text("name", 300),
        sa.Column("sealed", sa.String(), nullable=False),
        _time("expires_at"),
        _time("refreshing_until"),
        _text("state", 20),
        sa.Column("problem", sa.JSON(), nullable=True),
        _time("created_at", null=False),
        _time("refreshed_at"),
        _fk("grade_grant", "access_id", "grade_access"),
        _fk("grade_grant", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_grant")),
        sa.UniqueConstraint(
            "access_id", "lms_user_id", name=op.f("uq_grade_grant_access_id_lms_user_id")
        ),
    )
    op.create_index(op.f("ix_grade_grant_person_id"), "grade_grant", ["person_id"])
    op.create_table(
        "grade_consent",
        _text("state_hash", 64),
        _text("access_id", 36),
        _text("course_id", 36, null=True),
        _text("person_id", 36, null=True),
        _text("binding_hash", 64),
        _time("created_at", null=False),
        _time("expires_at", null=False),
        _time("used_at"),
        _fk("grade_consent", "access_id", "grade_access"),
        _fk("grade_consent", "course_id", "course"),
        _fk("grade_consent", "person_id", "person"),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_grade_consent")),
    )
    op.create_index(op.f("ix_grade_consent_expires_at"), "grade_consent", ["expires_at"])


def _courses() -> None:
    op.create_table(
        "course_source",
        _id(),
        _text("course_id", 36),
        _text("source", 40),
        _text("state", 20),
        _text("grant_id", 36, null=True),
        _text("course_key", 300),
        _text("connected_by", 36, null=True),
        sa.Column("cursor", sa.JSON(), nullable=True),
        _time("read_at"),
        _time("whole_at"),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("unjoined", sa.Integer(), nullable=False),
        _time("created_at", null=False),
        _fk("course_source", "course_id", "course"),
        _fk("course_source", "grant_id", "grade_grant"),
        _fk("course_source", "connected_by", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_source")),
        sa.UniqueConstraint("course_id", "source", name=op.f("uq_course_source_course_id_source")),
    )
    op.create_index(op.f("ix_course_source_grant_id"), "course_source", ["grant_id"])
    op.create_table(
        "column_source",
        _number(),
        _text("course_id", 36),
        _text("source", 40),
        _text("external_id", 1000),
        _text("assessment_id", 36),
        _text("state", 20),
        sa.Column("identities", sa.JSON(), nullable=False),
        _time("seen_at", null=False),
        _fk("column_source", "course_id", "course"),
        _fk("column_source", "assessment_id", "assessment"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_source")),
        sa.UniqueConstraint(
            "course_id",
            "source",
            "external_id",
            name=op.f("uq_column_source_course_id_source_external_id"),
        ),
    )
    op.create_index(op.f("ix_column_source_assessment_id"), "column_source", ["assessment_id"])
    op.create_table(
        "unjoined_result",
        _number(),
        _text("assessment_id", 36),
        _text("course_id", 36),
        _text("source", 40),
        _text("kind", 10),
        _text("user", 300),
        _text("sis_id", 200, null=True),
        sa.Column("raw", Exact(), nullable=True),
        sa.Column("maximum", Exact(), nullable=True),
        *(
            sa.Column(name, sa.Boolean(), nullable=False)
            for name in ("posted", "excused", "overridden", "locked")
        ),
        _text("scale", 100, null=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        _time("graded_at"),
        _time("seen_at", null=False),
        _fk("unjoined_result", "assessment_id", "assessment"),
        _fk("unjoined_result", "course_id", "course"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unjoined_result")),
        sa.UniqueConstraint(
            "assessment_id",
            "kind",
            "user",
            name=op.f("uq_unjoined_result_assessment_id_kind_user"),
        ),
    )
    op.create_index(
        op.f("ix_unjoined_result_course_id_source"), "unjoined_result", ["course_id", "source"]
    )


def _present_tables() -> None:
    off = sa.false()
    with op.batch_alter_table("assessment") as batch:
        batch.add_column(
            sa.Column("kind", sa.String(length=40), nullable=False, server_default="")
        )
        batch.add_column(sa.Column("hidden", sa.Boolean(), nullable=False, server_default=off))
        batch.add_column(_text("scale", 100, null=True))
        batch.add_column(_time("read_at"))
    with op.batch_alter_table("result_version") as batch:
        for name in ("overridden", "locked"):
            batch.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=off))
    with op.batch_alter_table("collect_run") as batch:
        batch.add_column(sa.Column("whole", sa.Boolean(), nullable=False, server_default=off))
        batch.add_column(_time("next_at"))
        batch.add_column(sa.Column("delays", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(
            sa.Column("unit", sa.String(length=20), nullable=False, server_default="columns")
        )
        batch.add_column(_text("source", 40, null=True))


def downgrade() -> None:
    """Authorisations are forgotten; results stay."""
    with op.batch_alter_table("collect_run") as batch:
        for name in ("source", "unit", "delays", "next_at", "whole"):
            batch.drop_column(name)
    with op.batch_alter_table("result_version") as batch:
        batch.drop_column("locked")
        batch.drop_column("overridden")
    with op.batch_alter_table("assessment") as batch:
        for name in ("read_at", "scale", "hidden", "kind"):
            batch.drop_column(name)
    for table in (
        "unjoined_result",
        "column_source",
        "course_source",
        "grade_consent",
        "grade_grant",
        "grade_access",
    ):
        op.drop_table(table)
