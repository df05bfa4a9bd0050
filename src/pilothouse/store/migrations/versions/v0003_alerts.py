"""Migration 0003: alerts, their rules, silences and deliveries; the versions of custom metrics.

Refuses to know rows. Invariant: never edited once released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    _rules_and_alerts()
    op.create_table(
        "silences",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String, nullable=True),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("group_key", sa.String, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at_ms", sa.BigInteger, nullable=True),
        sa.Column("delivered_at_ms", sa.BigInteger, nullable=True),
        sa.Column("last_error", sa.Text, nullable=True),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'failed', 'superseded')", name="ck_alert_deliveries_state"
        ),
    )
    op.create_index("ix_alert_deliveries_next_at_ms", "alert_deliveries", ["next_at_ms"])
    op.create_index("ix_alert_deliveries_group_key", "alert_deliveries", ["group_key"])
    op.create_table(
        "metric_versions",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )


def _rules_and_alerts() -> None:
    op.create_table(
        "alert_rules",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_by", sa.String, nullable=True),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("group_key", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("receivers", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("value", sa.Float, nullable=True),
        sa.Column("threshold", sa.Float, nullable=True),
        sa.Column("link", sa.Text, nullable=True),
        sa.Column("runbook", sa.Text, nullable=True),
        sa.Column("remind_s", sa.Float, nullable=False),
        sa.Column("pending_at_ms", sa.BigInteger, nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger, nullable=True),
        sa.Column("last_seen_at_ms", sa.BigInteger, nullable=False),
        sa.Column("clear_at_ms", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_at_ms", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_by", sa.String, nullable=True),
        sa.Column("resolved_at_ms", sa.BigInteger, nullable=True),
        sa.Column("told_state", sa.String, nullable=True),
        sa.Column("told_at_ms", sa.BigInteger, nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'open', 'acknowledged', 'resolved')", name="ck_alerts_state"
        ),
    )
    live = sa.text("resolved_at_ms IS NULL")
    op.create_index(
        "uq_alerts_fingerprint_live",
        "alerts",
        ["fingerprint"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("ix_alerts_opened_at_ms", "alerts", ["opened_at_ms"])
    op.create_table(
        "alert_changes",
        sa.Column("alert_id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=True),
        sa.Column("note", sa.Text, nullable=True),
    )
