"""Wallets take badges by VC-API exchange too, and what they took stays bound to their key"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0205"
down_revision = "0190"
branch_labels = None
depends_on = None

_HOLDER = """
    SELECT MAX(wallet_offer.holder) FROM wallet_offer
    JOIN credential ON credential.id = wallet_offer.credential_id
    WHERE credential.award_id = award.id AND wallet_offer.holder IS NOT NULL
    AND credential.number = (
        SELECT MAX(newest.number) FROM credential AS newest WHERE newest.award_id = award.id
    )
"""
"""The DID that the newest credential of an award is bound to."""


def upgrade() -> None:
    """A door for each offer; DIDs of any length; awards know the wallet that they went to."""
    with op.batch_alter_table("wallet_offer") as table:
        table.add_column(
            sa.Column("door", sa.String(length=20), nullable=False, server_default="openid4vci")
        )
        table.alter_column("tx_code", existing_type=sa.Text(), nullable=True)
    with op.batch_alter_table("wallet_offer") as table:
        table.alter_column("door", existing_type=sa.String(length=20), server_default=None)
    with op.batch_alter_table("award") as table:
        table.alter_column("subject_id", existing_type=sa.String(length=60), type_=sa.Text())
    op.execute(f"UPDATE award SET subject_id = COALESCE(({_HOLDER}), subject_id)")  # noqa: S608


def downgrade() -> None:
    """Exchanges are lost; awards that went to a wallet are signed for a new random id from now on."""
    op.execute("DELETE FROM wallet_offer WHERE door <> 'openid4vci'")
    op.execute("UPDATE award SET subject_id = 'urn:uuid:' || id WHERE subject_id LIKE 'did:%'")
    with op.batch_alter_table("award") as table:
        table.alter_column("subject_id", existing_type=sa.Text(), type_=sa.String(length=60))
    with op.batch_alter_table("wallet_offer") as table:
        table.alter_column("tx_code", existing_type=sa.Text(), nullable=False)
        table.drop_column("door")
