"""The analytics tables: their columns and the migrations that make them, forward only.

Refuses to know connections. Invariant: a released migration is never edited; `CALL_COLUMNS` is what all of
them together give the table `calls`, in order.
"""

__all__ = ["CALL_COLUMNS", "CONTENT_SCHEMA", "MIGRATIONS"]

CALL_COLUMNS: tuple[tuple[str, str], ...] = (
    ("call_id", "VARCHAR"),
    ("request_id", "VARCHAR"),
    ("at_ns", "BIGINT"),
    ("operation", "VARCHAR"),
    ("status", "INTEGER"),
    ("outcome", "VARCHAR"),
    ("model", "VARCHAR"),
    ("model_answered", "VARCHAR"),
    ("provider", "VARCHAR"),
    ("deployment", "VARCHAR"),
    ("key_id", "VARCHAR"),
    ("team", "VARCHAR"),
    ("purpose", "VARCHAR"),
    ("subject", "VARCHAR"),
    ("conversation_id", "VARCHAR"),
    ("trace_id", "VARCHAR"),
    ("span_id", "VARCHAR"),
    ("parent_span_id", "VARCHAR"),
    ("is_stream", "BOOLEAN"),
    ("error_type", "VARCHAR"),
    ("error_code", "VARCHAR"),
    ("error_message", "VARCHAR"),
    ("finish_reasons", "VARCHAR"),
    ("duration_ms", "DOUBLE"),
    ("queue_ms", "DOUBLE"),
    ("first_token_ms", "DOUBLE"),
    ("last_token_ms", "DOUBLE"),
    ("tokens_per_second", "DOUBLE"),
    ("input_tokens", "BIGINT"),
    ("output_tokens", "BIGINT"),
    ("cached_tokens", "BIGINT"),
    ("reasoning_tokens", "BIGINT"),
    ("cost_usd", "DOUBLE"),
    ("price_source", "VARCHAR"),
    ("logprob_mean", "DOUBLE"),
    ("logprob_min", "DOUBLE"),
    ("request_bytes", "BIGINT"),
    ("response_bytes", "BIGINT"),
    ("parameters", "VARCHAR"),
    ("attempts", "VARCHAR"),
    ("has_content", "BOOLEAN"),
    ("dialect", "VARCHAR"),
    ("cache", "VARCHAR"),
    ("experiment", "VARCHAR"),
    ("arm", "VARCHAR"),
    ("shadow_of", "VARCHAR"),
    ("priority", "VARCHAR"),
    ("saved_usd", "DOUBLE"),
)
"""One row a call. `finish_reasons`, `parameters` and `attempts` are JSON text."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE schema_version (version INTEGER NOT NULL)",
        """CREATE TABLE calls (
            call_id VARCHAR NOT NULL, request_id VARCHAR NOT NULL, at_ns BIGINT NOT NULL,
            operation VARCHAR NOT NULL, status INTEGER NOT NULL, outcome VARCHAR NOT NULL, model VARCHAR,
            model_answered VARCHAR, provider VARCHAR, deployment VARCHAR, key_id VARCHAR, team VARCHAR,
            purpose VARCHAR NOT NULL, subject VARCHAR, conversation_id VARCHAR, trace_id VARCHAR,
            span_id VARCHAR, parent_span_id VARCHAR, is_stream BOOLEAN NOT NULL, error_type VARCHAR,
            error_code VARCHAR, error_message VARCHAR, finish_reasons VARCHAR, duration_ms DOUBLE,
            queue_ms DOUBLE, first_token_ms DOUBLE, last_token_ms DOUBLE, tokens_per_second DOUBLE,
            input_tokens BIGINT, output_tokens BIGINT, cached_tokens BIGINT, reasoning_tokens BIGINT,
            cost_usd DOUBLE, price_source VARCHAR, logprob_mean DOUBLE, logprob_min DOUBLE,
            request_bytes BIGINT NOT NULL, response_bytes BIGINT NOT NULL, parameters VARCHAR,
            attempts VARCHAR, has_content BOOLEAN NOT NULL)""",
        # A stream that has started and not ended: a call once its writer is dead.
        """CREATE TABLE open_calls (
            call_id VARCHAR NOT NULL, run VARCHAR NOT NULL, event BLOB NOT NULL,
            has_content BOOLEAN NOT NULL)""",
        # How far each journal segment is folded in; committed with the rows themselves.
        """CREATE TABLE segments (
            name VARCHAR PRIMARY KEY, position UBIGINT NOT NULL, events UBIGINT NOT NULL,
            damages UBIGINT NOT NULL, last_at_ns BIGINT NOT NULL, is_done BOOLEAN NOT NULL)""",
    ),
    (
        # Calls of before spoke OpenAI's protocol and were steered and cached by nothing.
        "ALTER TABLE calls ADD COLUMN dialect VARCHAR DEFAULT 'openai'",
        "ALTER TABLE calls ADD COLUMN cache VARCHAR",
        "ALTER TABLE calls ADD COLUMN experiment VARCHAR",
        "ALTER TABLE calls ADD COLUMN arm VARCHAR",
        "ALTER TABLE calls ADD COLUMN shadow_of VARCHAR",
        "ALTER TABLE calls ADD COLUMN priority VARCHAR DEFAULT 'normal'",
        "ALTER TABLE calls ADD COLUMN saved_usd DOUBLE",
    ),
)

CONTENT_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS {content}.content (
        call_id VARCHAR NOT NULL, at_ns BIGINT NOT NULL, subject VARCHAR NOT NULL, part UTINYINT NOT NULL,
        sealed BLOB NOT NULL USING COMPRESSION uncompressed)""",
    """CREATE TABLE IF NOT EXISTS {content}.segments (name VARCHAR PRIMARY KEY, position UBIGINT NOT NULL)""",
)
"""Of each day's content file. `part`: 0 what a stream's start had, 1 what a call's end had.
Ciphertext does not shrink, and trying costs four times the rest (35 µs a row against 9)."""
