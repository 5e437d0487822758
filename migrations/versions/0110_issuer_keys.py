"""Keys take over at a time, may be kept elsewhere, and every credential names those that signed it"""

from __future__ import annotations

import base64
import json

import sqlalchemy as sa
from alembic import op
from app.db import UtcDateTime

revision = "0110"
down_revision = "0100"
branch_labels = None
depends_on = None

_PART = 500


def upgrade() -> None:
    with op.batch_alter_table("issuer_key") as table:
        table.add_column(
            sa.Column("keeper", sa.String(length=20), nullable=False, server_default="file")
        )
        table.add_column(
            sa.Column("remote", sa.String(length=200), nullable=False, server_default="")
        )
        table.add_column(sa.Column("signs_from", UtcDateTime(), nullable=True))
        table.add_column(sa.Column("problem", sa.JSON(), nullable=True))
    op.execute("UPDATE issuer_key SET signs_from = created_at")
    with op.batch_alter_table("issuer_key") as table:
        table.alter_column("keeper", existing_type=sa.String(length=20), server_default=None)
        table.alter_column("remote", existing_type=sa.String(length=200), server_default=None)
        table.alter_column("signs_from", existing_type=UtcDateTime(), nullable=False)
    with op.batch_alter_table("status_list") as table:
        table.add_column(sa.Column("lease_until", UtcDateTime(), nullable=True))
    with op.batch_alter_table("credential") as table:
        table.add_column(
            sa.Column("embedded_key", sa.String(length=60), nullable=False, server_default="")
        )
        table.add_column(
            sa.Column("token_key", sa.String(length=60), nullable=False, server_default="")
        )
    _name_keys()
    with op.batch_alter_table("credential") as table:
        table.alter_column("embedded_key", existing_type=sa.String(length=60), server_default=None)
        table.alter_column("token_key", existing_type=sa.String(length=60), server_default=None)
        table.create_index(op.f("ix_credential_embedded_key"), ["embedded_key"])
        table.create_index(op.f("ix_credential_token_key"), ["token_key"])
    op.create_table(
        "spent_entry",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status_list_id", sa.String(length=36), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name="fk_spent_entry_credential_id_credential"
        ),
        sa.ForeignKeyConstraint(
            ["status_list_id"], ["status_list.id"], name="fk_spent_entry_status_list_id_status_list"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_spent_entry"),
        sa.UniqueConstraint(
            "status_list_id", "status_index", name="uq_spent_entry_status_list_id_status_index"
        ),
    )
    with op.batch_alter_table("spent_entry") as table:
        table.create_index(op.f("ix_spent_entry_credential_id"), ["credential_id"])


def _name_keys() -> None:
    """The signed bytes say which keys signed them."""
    rows = sa.table(
        "credential",
        sa.column("id", sa.String),
        sa.column("document", sa.LargeBinary),
        sa.column("jwt", sa.Text),
        sa.column("embedded_key", sa.String),
        sa.column("token_key", sa.String),
    )
    here, last = op.get_bind(), ""
    while True:
        query = sa.select(rows.c.id, rows.c.document, rows.c.jwt).where(rows.c.id > last)
        part = here.execute(query.order_by(rows.c.id).limit(_PART)).all()
        for credential_id, document, jwt in part:
            here.execute(
                rows.update()
                .where(rows.c.id == credential_id)
                .values(
                    embedded_key=_fragment(json.loads(document)["proof"]["verificationMethod"]),
                    token_key=_fragment(_header(jwt)["kid"]),
                )
            )
        if len(part) < _PART:
            return
        last = part[-1][0]


def _header(jwt: str) -> dict[str, str]:
    part = jwt.partition(".")[0]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _fragment(key_id: str) -> str:
    return key_id.partition("#")[2]


def downgrade() -> None:
    op.drop_table("spent_entry")
    with op.batch_alter_table("credential") as table:
        table.drop_index(op.f("ix_credential_token_key"))
        table.drop_index(op.f("ix_credential_embedded_key"))
        table.drop_column("token_key")
        table.drop_column("embedded_key")
    with op.batch_alter_table("status_list") as table:
        table.drop_column("lease_until")
    with op.batch_alter_table("issuer_key") as table:
        table.drop_column("problem")
        table.drop_column("signs_from")
        table.drop_column("remote")
        table.drop_column("keeper")
