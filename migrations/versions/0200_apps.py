"""Apps read a learner's record over the Open Badges API: registrations, consents, tokens"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0200"
down_revision = "0260"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three tables."""
    op.create_table(
        "app_client",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("uri", sa.String(length=500), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("auth_method", sa.String(length=30), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_client")),
    )
    op.create_index(op.f("ix_app_client_created_at"), "app_client", ["created_at"])
    op.create_table(
        "app_consent",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("place", sa.String(length=500), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["app_client.id"], name=op.f("fk_app_consent_client_id_app_client")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_app_consent_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_consent")),
        sa.UniqueConstraint(
            "client_id", "person_id", name=op.f("uq_app_consent_client_id_person_id")
        ),
    )
    op.create_index(op.f("ix_app_consent_person_id"), "app_consent", ["person_id"])
    op.create_table(
        "app_token",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("consent_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=500), nullable=True),
        sa.Column("challenge", sa.String(length=43), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["app_consent.id"], name=op.f("fk_app_token_consent_id_app_consent")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_app_token")),
    )
    op.create_index(op.f("ix_app_token_consent_id"), "app_token", ["consent_id"])


def downgrade() -> None:
    """Every app has to be connected again."""
    op.drop_table("app_token")
    op.drop_table("app_consent")
    op.drop_table("app_client")
