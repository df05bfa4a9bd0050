"""Migration 0002: what a key may use, and its priority.

Refuses to know rows: keys that are there are not limited. Invariant: never edited once released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("api_keys", sa.Column("limits", sa.Text, nullable=True))
    op.add_column(
        "api_keys", sa.Column("priority", sa.String, nullable=False, server_default=sa.text("'normal'"))
    )
