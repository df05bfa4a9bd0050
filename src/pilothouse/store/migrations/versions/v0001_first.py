"""Migration 0001: organisations, projects, keys, sessions, sign-in links, configuration, publications.

Refuses to know rows: there are none yet. Invariant: never edited once released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROLES = "role IN ('root', 'admin', 'member', 'viewer')"


def upgrade() -> None:
    """Makes the first tables."""
    _organisations()
    _keys()
    _sessions()
    _rollout()
    op.create_table(
        "settings",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("set_at_ms", sa.BigInteger, nullable=False),
        sa.Column("set_by", sa.String),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )


def _organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("name", name="uq_organisations_name"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organisation_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_projects_organisation_id"
        ),
    )
    op.create_index("ix_projects_organisation_id_name", "projects", ["organisation_id", "name"], unique=True)


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("project_id", sa.String),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("prefix", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("team", sa.String),
        sa.Column("models", sa.Text),
        sa.Column("record_policy", sa.Text),
        sa.Column("kind", sa.String, nullable=False, server_default="key"),
        sa.Column("rotated_from", sa.String),
        sa.Column("created_by", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.Column("last_used_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_api_keys_project_id"),
        sa.ForeignKeyConstraint(["rotated_from"], ["api_keys.id"], name="fk_api_keys_rotated_from"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sa.CheckConstraint(ROLES, name="ck_api_keys_role"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("key_id", sa.String),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("team", sa.String),
        sa.Column("models", sa.Text),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
        sa.CheckConstraint(ROLES, name="ck_sessions_role"),
    )
    op.create_table(
        "signin_links",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("created_by", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("used_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_signin_links"),
        sa.UniqueConstraint("digest", name="uq_signin_links_digest"),
        sa.CheckConstraint(ROLES, name="ck_signin_links_role"),
    )


def _rollout() -> None:
    op.create_table(
        "configuration_revisions",
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("created_by", sa.String),
        sa.PrimaryKeyConstraint("revision", name="pk_configuration_revisions"),
    )
    op.create_table(
        "publications",
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("configuration_revision", sa.Integer),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_publications"),
        sa.ForeignKeyConstraint(
            ["configuration_revision"],
            ["configuration_revisions.revision"],
            name="fk_publications_configuration_revision",
        ),
        sqlite_autoincrement=True,
    )
