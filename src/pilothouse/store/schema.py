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
    ("logprob_entropy", "DOUBLE"),
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
    (
        "ALTER TABLE calls ADD COLUMN logprob_entropy DOUBLE",
        """CREATE TABLE spans (
            trace_id VARCHAR NOT NULL, span_id VARCHAR NOT NULL, at_ns BIGINT NOT NULL, name VARCHAR NOT NULL,
            parent_span_id VARCHAR, duration_ms DOUBLE NOT NULL, kind VARCHAR NOT NULL, operation VARCHAR,
            status VARCHAR NOT NULL, error_type VARCHAR, service VARCHAR, scope VARCHAR, convention VARCHAR,
            provider VARCHAR, model VARCHAR, model_answered VARCHAR, agent VARCHAR, tool VARCHAR,
            conversation_id VARCHAR, subject VARCHAR, key_id VARCHAR, team VARCHAR, input_tokens BIGINT,
            output_tokens BIGINT, cached_tokens BIGINT, reasoning_tokens BIGINT, cost_usd DOUBLE,
            first_token_ms DOUBLE, finish_reasons VARCHAR, request_id VARCHAR, attributes VARCHAR,
            has_content BOOLEAN NOT NULL)""",
        # What was said of calls and spans: feedback, evaluations, custom metrics; each version of a metric.
        """CREATE TABLE scores (
            score_id VARCHAR NOT NULL, at_ns BIGINT NOT NULL, source VARCHAR NOT NULL, name VARCHAR NOT NULL,
            version INTEGER NOT NULL, kind VARCHAR, value DOUBLE, label VARCHAR, call_id VARCHAR,
            request_id VARCHAR, trace_id VARCHAR, span_id VARCHAR, model VARCHAR, deployment VARCHAR,
            key_id VARCHAR, team VARCHAR, subject VARCHAR, has_content BOOLEAN NOT NULL)""",
        # When a trace was: a look-up reads these narrow rows, then a slice of the wide ones.
        "CREATE TABLE trace_hints (trace_key UBIGINT NOT NULL, at_s UINTEGER NOT NULL)",
        # Roll-ups, of whole minutes and of whole hours (which begin at `minute`, counted from 1970): all
        # rows of `calls` before `rollups`' marks are in them; several rows of one minute are added up.
        *(
            f"""CREATE TABLE {table} (
                minute INTEGER NOT NULL, operation VARCHAR, model VARCHAR, provider VARCHAR,
                deployment VARCHAR, key_id VARCHAR, team VARCHAR, is_shadow BOOLEAN NOT NULL,
                is_cached BOOLEAN NOT NULL, calls BIGINT NOT NULL, server_errors BIGINT NOT NULL,
                provider_errors BIGINT NOT NULL, client_errors BIGINT NOT NULL,
                guardrail_blocks BIGINT NOT NULL, cut BIGINT NOT NULL, streams BIGINT NOT NULL,
                cached BIGINT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL,
                cached_tokens BIGINT NOT NULL, cost_usd DOUBLE, unpriced BIGINT NOT NULL, saved_usd DOUBLE)"""
            for table in ("call_minutes", "call_hours")
        ),
        # Histograms of milliseconds (and of log-probabilities): `bucket` as `store/buckets.py` has it,
        # `measure` the place in `store/rollups.py`'s list.
        *(
            f"""CREATE TABLE {table} (
                minute INTEGER NOT NULL, measure UTINYINT NOT NULL, operation VARCHAR, model VARCHAR,
                provider VARCHAR, deployment VARCHAR, is_shadow BOOLEAN NOT NULL, is_cached BOOLEAN NOT NULL,
                bucket SMALLINT NOT NULL, count BIGINT NOT NULL, total DOUBLE NOT NULL)"""
            for table in ("value_minutes", "value_hours")
        ),
        # From which minute on minutes are kept; up to where minutes and hours are made. One row.
        """CREATE TABLE rollups (
            minutes_from INTEGER NOT NULL, minutes_until INTEGER NOT NULL, hours_until INTEGER NOT NULL)""",
        """CREATE TABLE metric_points (
            at_ns BIGINT NOT NULL, name VARCHAR NOT NULL, kind VARCHAR NOT NULL, unit VARCHAR,
            service VARCHAR, key_id VARCHAR, labels VARCHAR NOT NULL, value DOUBLE, count BIGINT,
            total DOUBLE, bounds VARCHAR, counts VARCHAR)""",
        """CREATE TABLE log_records (
            at_ns BIGINT NOT NULL, log_id VARCHAR NOT NULL, severity VARCHAR, event_name VARCHAR,
            service VARCHAR, key_id VARCHAR, trace_id VARCHAR, span_id VARCHAR, subject VARCHAR,
            has_content BOOLEAN NOT NULL)""",
        # How far each segment of the telemetry journal is folded in.
        """CREATE TABLE telemetry_segments (
            name VARCHAR PRIMARY KEY, position UBIGINT NOT NULL, batches UBIGINT NOT NULL,
            damages UBIGINT NOT NULL, last_at_ns BIGINT NOT NULL, is_done BOOLEAN NOT NULL)""",
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
