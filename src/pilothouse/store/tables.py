"""The tables of state, as SQLAlchemy Core metadata: keys, sessions, configuration, publications.

Times are Unix milliseconds; structures are JSON text; secrets are HMAC digests only. Their SQL is written by
the packages that own them (`access`, `rollout`), each in its `repository.py`.

Refuses to know rules and rows. Invariant: `HEAD` names the newest migration, and running all migrations on an
empty file gives exactly these tables.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

__all__ = [
    "HEAD",
    "METADATA",
    "alert_changes",
    "alert_deliveries",
    "alert_rules",
    "alerts",
    "api_keys",
    "configuration_revisions",
    "metric_versions",
    "organisations",
    "projects",
    "publications",
    "sessions",
    "settings",
    "signin_links",
    "silences",
]

HEAD = "0003"
"""The newest migration's revision, known without importing Alembic."""

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

organisations = Table(
    "organisations",
    METADATA,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    METADATA,
    Column("id", String, primary_key=True),
    Column("organisation_id", String, ForeignKey("organisations.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_projects_organisation_id_name", "organisation_id", "name", unique=True),
)

api_keys = Table(
    "api_keys",
    METADATA,
    Column("id", String, primary_key=True, comment="`key_…`: what the record of a call names"),
    Column("project_id", String, ForeignKey("projects.id"), nullable=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True, comment="HMAC-SHA256 under the pepper"),
    Column("prefix", String, nullable=False, comment="the key's first characters, to tell keys apart"),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("team", String, nullable=True),
    Column("models", Text, nullable=True, comment="JSON list of public names; NULL allows all"),
    Column("record_policy", Text, nullable=True, comment="JSON of a RecordPolicy; NULL: the model's"),
    Column("kind", String, nullable=False, server_default="key", comment="`key`, or `root`"),
    Column("rotated_from", String, ForeignKey("api_keys.id"), nullable=True),
    Column("created_by", String, nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=True),
    Column("revoked_at_ms", BigInteger, nullable=True),
    Column("last_used_at_ms", BigInteger, nullable=True),
    Column("limits", Text, nullable=True, comment="JSON of Limits; NULL: none"),
    Column("priority", String, nullable=False, server_default="normal", comment="high, normal or low"),
    CheckConstraint("role IN ('root', 'admin', 'member', 'viewer')", name="role"),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("id", String, primary_key=True, comment="`ses_…`"),
    Column("digest", LargeBinary(32), nullable=False, unique=True, comment="HMAC-SHA256 under the pepper"),
    Column("key_id", String, nullable=True, comment="the key it was opened with; NULL by a sign-in link"),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("team", String, nullable=True),
    Column("models", Text, nullable=True, comment="as the key's"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=True),
    CheckConstraint("role IN ('root', 'admin', 'member', 'viewer')", name="role"),
)

signin_links = Table(
    "signin_links",
    METADATA,
    Column("id", String, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True, comment="HMAC-SHA256 under the pepper"),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_by", String, nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger, nullable=True, comment="set in the same statement that uses it"),
    CheckConstraint("role IN ('root', 'admin', 'member', 'viewer')", name="role"),
)

configuration_revisions = Table(
    "configuration_revisions",
    METADATA,
    Column("revision", Integer, primary_key=True, autoincrement=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column(
        "digest", String, nullable=False, comment="sha256 of the document: an unchanged file is no revision"
    ),
    Column("document", Text, nullable=False, comment="JSON of the settings in force, secrets by reference"),
    Column("origin", String, nullable=False, comment="`file`, `default`, `console` or `api`"),
    Column("created_by", String, nullable=True),
)

publications = Table(
    "publications",
    METADATA,
    Column("revision", Integer, primary_key=True, autoincrement=True, comment="the snapshot's revision"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("configuration_revision", Integer, ForeignKey("configuration_revisions.revision"), nullable=True),
    Column("digest", String, nullable=False, comment="sha256 of the signed payload"),
    Column("reason", String, nullable=False),
    sqlite_autoincrement=True,
)

settings = Table(
    "settings",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False, comment="JSON"),
    Column("set_at_ms", BigInteger, nullable=False),
    Column("set_by", String, nullable=True),
)

alert_rules = Table(
    "alert_rules",
    METADATA,
    Column("name", String, primary_key=True),
    Column("document", Text, nullable=False, comment="JSON of the rule, as the configuration would have it"),
    Column("created_by", String, nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    comment="rules that people made in the console or by the API, beside the configuration's",
)

alerts = Table(
    "alerts",
    METADATA,
    Column("id", String, primary_key=True, comment="`alt_…`"),
    Column("rule", String, nullable=False),
    Column("fingerprint", String, nullable=False, comment="of rule and labels: one live alert for each"),
    Column("group_key", String, nullable=False, comment="alerts that are told together"),
    Column("state", String, nullable=False),
    Column("severity", String, nullable=False, comment="critical, warning or info"),
    Column("labels", Text, nullable=False, comment="JSON"),
    Column("receivers", Text, nullable=False, comment="JSON list of names"),
    Column("summary", Text, nullable=False),
    Column("value", Float, nullable=True),
    Column("threshold", Float, nullable=True),
    Column("link", Text, nullable=True, comment="the console's page of the calls behind it"),
    Column("runbook", Text, nullable=True),
    Column("remind_s", Float, nullable=False),
    Column("pending_at_ms", BigInteger, nullable=False, comment="when the condition was first met"),
    Column("opened_at_ms", BigInteger, nullable=True),
    Column("last_seen_at_ms", BigInteger, nullable=False),
    Column("clear_at_ms", BigInteger, nullable=True, comment="since when the condition is no longer met"),
    Column("acknowledged_at_ms", BigInteger, nullable=True),
    Column("acknowledged_by", String, nullable=True),
    Column("resolved_at_ms", BigInteger, nullable=True),
    Column("told_state", String, nullable=True, comment="the state that was told last"),
    Column("told_at_ms", BigInteger, nullable=True),
    Index(
        "uq_alerts_fingerprint_live",
        "fingerprint",
        unique=True,
        sqlite_where=text("resolved_at_ms IS NULL"),
        postgresql_where=text("resolved_at_ms IS NULL"),
    ),
    Index("ix_alerts_opened_at_ms", "opened_at_ms"),
    CheckConstraint("state IN ('pending', 'open', 'acknowledged', 'resolved')", name="state"),
)

alert_changes = Table(
    "alert_changes",
    METADATA,
    Column("alert_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String, nullable=False, comment="pending, open, acknowledged, resolved or told"),
    Column("by", String, nullable=True),
    Column("note", Text, nullable=True),
    comment="what happened to an alert, in order",
)

silences = Table(
    "silences",
    METADATA,
    Column("id", String, primary_key=True, comment="`sil_…`"),
    Column("matchers", Text, nullable=False, comment="JSON: label to value; `rule` is a label"),
    Column("reason", Text, nullable=False),
    Column("starts_at_ms", BigInteger, nullable=False),
    Column("ends_at_ms", BigInteger, nullable=False),
    Column("created_by", String, nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
)

alert_deliveries = Table(
    "alert_deliveries",
    METADATA,
    Column("id", String, primary_key=True, comment="`dlv_…`"),
    Column("group_key", String, nullable=False),
    Column("receiver", String, nullable=False),
    Column("state", String, nullable=False),
    Column("document", Text, nullable=False, comment="JSON of what is told"),
    Column("attempts", Integer, nullable=False),
    Column("next_at_ms", BigInteger, nullable=True, comment="whoever moves it on has claimed the next try"),
    Column("delivered_at_ms", BigInteger, nullable=True),
    Column("last_error", Text, nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_alert_deliveries_next_at_ms", "next_at_ms"),
    Index("ix_alert_deliveries_group_key", "group_key"),
    CheckConstraint("state IN ('waiting', 'sent', 'failed', 'superseded')", name="state"),
)

metric_versions = Table(
    "metric_versions",
    METADATA,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False, comment="of what changes its values: another is a new version"),
    Column("document", Text, nullable=False, comment="JSON of the metric, as the configuration has it"),
    Column("created_at_ms", BigInteger, nullable=False),
)
