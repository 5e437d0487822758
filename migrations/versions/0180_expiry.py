"""Badges end and are renewed: terms of a wording, the end of an award, when a result was graded"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0180"
down_revision = "0205"
branch_labels = None
depends_on = None

_ONCE = "uq_attainment_learner_id_competency_id_rule_id"
_EACH = "uq_attainment_learner_id_competency_id_rule_id_award_id"


def upgrade() -> None:
    """Badges and awards that are there never end. A renewed award keeps attainments of its own."""
    with op.batch_alter_table("achievement_version") as batch:
        batch.add_column(
            sa.Column("valid_kind", sa.String(length=10), nullable=False, server_default="never")
        )
        batch.add_column(sa.Column("valid_count", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("valid_until", sa.Date(), nullable=True))
        batch.add_column(
            sa.Column("renewal", sa.String(length=10), nullable=False, server_default="none")
        )
        batch.add_column(sa.Column("renewal_days", sa.Integer(), nullable=True))
    with op.batch_alter_table("achievement_version") as batch:
        batch.alter_column("valid_kind", server_default=None)
        batch.alter_column("renewal", server_default=None)
    op.add_column("award", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("ix_award_expires_at"), "award", ["expires_at"])
    op.add_column("result", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column("result", sa.Column("graded_at", UtcDateTime(), nullable=True))
    op.execute(
        "UPDATE result SET (attempt, graded_at) = (SELECT v.attempt, v.graded_at"
        " FROM result_version v WHERE v.result_id = result.id AND v.number = result.version)"
    )
    with op.batch_alter_table("attainment") as batch:
        batch.drop_constraint(_ONCE, type_="unique")
        batch.create_unique_constraint(
            _EACH, ["learner_id", "competency_id", "rule_id", "award_id"]
        )


def downgrade() -> None:
    """Ends are forgotten; renewed awards stay, without what they were decided on."""
    later = (
        "SELECT a.id FROM attainment a JOIN attainment b ON a.learner_id = b.learner_id"
        " AND a.competency_id = b.competency_id AND a.rule_id = b.rule_id"
        " AND (a.attained_at > b.attained_at OR (a.attained_at = b.attained_at AND a.id > b.id))"
    )
    op.execute(f"DELETE FROM attainment_evidence WHERE attainment_id IN ({later})")
    op.execute(f"DELETE FROM attainment WHERE id IN ({later})")
    with op.batch_alter_table("attainment") as batch:
        batch.drop_constraint(_EACH, type_="unique")
        batch.create_unique_constraint(_ONCE, ["learner_id", "competency_id", "rule_id"])
    op.drop_column("result", "graded_at")
    op.drop_column("result", "attempt")
    op.drop_index(op.f("ix_award_expires_at"), "award")
    op.drop_column("award", "expires_at")
    with op.batch_alter_table("achievement_version") as batch:
        for name in ("renewal_days", "renewal", "valid_until", "valid_count", "valid_kind"):
            batch.drop_column(name)
