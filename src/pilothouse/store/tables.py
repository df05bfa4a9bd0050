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
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = [
    "HEAD",
    "METADATA",
    "api_keys",
    "configuration_revisions",
    "organisations",
    "projects",
    "publications",
    "sessions",
    "settings",
    "signin_links",
]

HEAD = "0002"
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
