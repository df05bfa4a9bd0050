"""Fills a record for `bench.store_scale`: calls of many days made by SQL, the last day's words really sealed.

Refuses to know what is measured. Invariant: the same seed gives the same calls, but for their times.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb

from pilothouse.contracts.events import Content
from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.bulk import bulk_insert
from pilothouse.store.projector import CONTENT_COLUMNS
from pilothouse.store.rollups import RollUps
from pilothouse.store.schema import CALL_COLUMNS
from pilothouse.store.search_index import Indexer, SearchIndex, load_search_key
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import Sealer

DAY_MS = 86_400_000
SUBJECTS = 2000
DEFAULTS = StoreSettings()
CONTENT_BATCH = 20_000
MOST_AT_ONCE = 60_000
"""Rows that are made in one statement, so that sorting them fits in memory."""
NEEDLES = ("refund", "zanzibar", "quokka")
"""Words of one in a hundred, in ten thousand, and in a hundred thousand calls."""
WORDS = [
    "please",
    "tell",
    "me",
    "about",
    "the",
    "weather",
    "in",
    "Lisbon",
    "and",
    "whether",
    "my",
    "order",
    "has",
    "been",
    "sent",
    "already",
    "since",
    "I",
    "have",
    "waited",
    "for",
    "more",
    "than",
    "two",
    "weeks",
    "now",
    "and",
    "nobody",
    "answers",
    "the",
    "telephone",
    "which",
    "is",
    "not",
    "what",
    "I",
    "expected",
    "of",
    "you",
    "when",
    "I",
    "bought",
    "the",
    "blue",
    "lamp",
    "for",
    "the",
    "kitchen",
    "the",
    "small",
    "table",
    "and",
    "four",
    "chairs",
    "last",
    "summer",
    "thank",
    "you",
    "very",
    "much",
]

CALLS = """
    SELECT lower(lpad(to_hex(at_ms), 12, '0') || '7' || lpad(to_hex(n), 19, '0')) AS call_id,
        'r-' || n AS request_id,
        at_ms * 1000000 + n % 1000000 AS at_ns,
        CASE WHEN r1 < 0.9 THEN 'chat' WHEN r1 < 0.97 THEN 'embeddings' ELSE 'text_completion' END
            AS operation,
        CASE WHEN r2 < 0.97 THEN 200 WHEN r2 < 0.985 THEN 429 ELSE 502 END AS status,
        CASE WHEN r2 < 0.97 THEN 'completed' WHEN r2 < 0.985 THEN 'refused' ELSE 'failed' END AS outcome,
        'model-' || m AS model, 'vendor-model-' || m AS model_answered,
        'provider-' || m % 4 AS provider, 'model-' || m || '/provider-' || m % 4 || '-' || d AS deployment,
        'key_' || k AS key_id, 'team-' || k % 12 AS team, 'serve' AS purpose,
        'subject-' || n % {subjects} AS subject, 'conversation-' || n // 5 AS conversation_id,
        CASE WHEN r3 < 0.5 THEN call_id ELSE md5(n::VARCHAR) END AS trace_id,
        substr(md5(n::VARCHAR || 's'), 1, 16) AS span_id, NULL AS parent_span_id, r1 < 0.6 AS is_stream,
        CASE WHEN status = 502 THEN 'upstream_error' WHEN status = 429 THEN 'rate_limit_error' END
            AS error_type,
        CASE WHEN status = 502 THEN 'upstream_failed' WHEN status = 429 THEN 'rate_limit_exceeded' END
            AS error_code,
        CASE WHEN status = 502 THEN 'The provider answered 500.' END AS error_message,
        CASE WHEN status = 200 THEN '["stop"]' END AS finish_reasons,
        exp(6 + 0.8 * sqrt(-2 * ln(r4 + 1e-9)) * cos(6.2831853 * r5)) AS duration_ms, r5 * 3 AS queue_ms,
        duration_ms * 0.3 AS first_token_ms, duration_ms * 0.95 AS last_token_ms,
        50 + r4 * 60 AS tokens_per_second, 100 + (r4 * 900)::BIGINT AS input_tokens,
        20 + (r5 * 300)::BIGINT AS output_tokens, 0 AS cached_tokens, NULL AS reasoning_tokens,
        CASE WHEN m < 6 THEN r4 / 500 END AS cost_usd, 'genai-prices' AS price_source,
        CASE WHEN r3 < 0.1 THEN -r5 END AS logprob_mean, CASE WHEN r3 < 0.1 THEN -4 * r5 END AS logprob_min,
        900 AS request_bytes, 600 AS response_bytes, '{{"temperature":0.7,"max_tokens":256}}' AS parameters,
        '[{{"deployment":"' || deployment || '","provider":"' || provider || '","status":' || status
            || ',"duration_ms":' || round(duration_ms, 1) || '}}]' AS attempts,
        at_ms >= {content_from_ms} AS has_content, 'openai' AS dialect,
        CASE WHEN r2 < 0.05 THEN 'exact' END AS cache, NULL AS experiment, NULL AS arm, NULL AS shadow_of,
        'normal' AS priority, CASE WHEN r2 < 0.05 THEN 0.001 END AS saved_usd,
        CASE WHEN r3 < 0.1 THEN r5 END AS logprob_entropy
    FROM (SELECT i AS n, {start_ms} + ((i - {first}) * {step_ms})::BIGINT AS at_ms,
            (hash(i) % 10)::INTEGER AS m, (hash(i + 1) % 3)::INTEGER AS d, (hash(i + 2) % 100)::INTEGER AS k,
            (hash(i * 7) % 1000003) / 1000003.0 AS r1, (hash(i * 11) % 1000003) / 1000003.0 AS r2,
            (hash(i * 13) % 1000003) / 1000003.0 AS r3, (hash(i * 17) % 1000003) / 1000003.0 AS r4,
            (hash(i * 19) % 1000003) / 1000003.0 AS r5
        FROM range({first}, {last}) AS t(i))
"""


def fill(analytics: Analytics, keyring: Keyring, *, calls: int, days: int, now_ms: int) -> None:
    """Puts calls of `days` days up to `now_ms` on record, with hints, roll-ups and the last day's words."""
    cursor = analytics.cursor()
    start_ms = now_ms - days * DAY_MS
    step_ms = days * DAY_MS / calls
    content_from_ms = now_ms - DAY_MS
    parts = -(-calls // MOST_AT_ONCE)
    bounds = [calls * part // parts for part in range(parts + 1)]
    names = ", ".join(name for name, _ in CALL_COLUMNS)
    for first, last in pairwise(bounds):
        sql = CALLS.format(
            subjects=SUBJECTS,
            content_from_ms=content_from_ms,
            start_ms=int(start_ms + first * step_ms),
            first=first,
            last=last,
            step_ms=step_ms,
        )
        cursor.execute(f"INSERT INTO calls ({names}) SELECT {names} FROM ({sql}) ORDER BY at_ns")
        cursor.execute(
            "INSERT INTO trace_hints SELECT ('0x' || trace_id[1:16])::UBIGINT, "
            "(at_ns // 1000000000)::UINTEGER FROM calls WHERE at_ns >= ?",
            [int((start_ms + first * step_ms) * 1_000_000)],
        )
    say(f"{calls:,} calls")
    rollups = RollUps(cursor)
    while rollups.advance(now_ms):
        pass
    say("rolled up")
    seal_day(analytics, cursor, keyring, from_ns=content_from_ms * 1_000_000)
    say("the last day's words are sealed")
    cursor.close()
    analytics.checkpoint()


def seal_day(
    analytics: Analytics, cursor: duckdb.DuckDBPyConnection, keyring: Keyring, *, from_ns: int
) -> None:
    """Seals words for every call since `from_ns`."""
    sealer = Sealer(keyring)
    chance = random.Random(7)
    rows = cursor.execute(
        "SELECT call_id, at_ns, subject FROM calls WHERE at_ns >= ? AND has_content ORDER BY at_ns", [from_ns]
    ).fetchall()
    for start in range(0, len(rows), CONTENT_BATCH):
        days: dict[str, list[tuple[str, int, str, int, bytes]]] = {}
        for call_id, at_ns, subject in rows[start : start + CONTENT_BATCH]:
            sealed = sealer.seal(content_of(chance), subject=subject, call_id=call_id)
            days.setdefault(day_of(at_ns), []).append((call_id, at_ns, subject, 1, sealed))
        for day, made in days.items():
            with analytics.lock:
                schema = analytics.attach(day, create=True)
                bulk_insert(cursor, f"{schema}.content", CONTENT_COLUMNS, list(zip(*made, strict=True)))


def content_of(chance: random.Random) -> Content:
    """Returns about a kilobyte of words."""
    words = chance.choices(WORDS, k=90)
    for needle, often in zip(NEEDLES, (100, 10_000, 100_000), strict=True):
        if chance.randrange(often) == 0:
            words[chance.randrange(90)] = needle
    request = {
        "model": "model-1",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": " ".join(words[:60])},
        ],
        "temperature": 0.7,
    }
    answer = {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": " ".join(words[60:])},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 60},
    }
    return Content(request=json.dumps(request).encode(), response=json.dumps(answer).encode())


def folder_gb(folder: Path) -> float:
    """Returns what a folder takes, in GB."""
    return sum(path.stat().st_size for path in files_of(folder)) / 1e9


def files_of(folder: Path) -> Iterator[Path]:
    """Yields the files in a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def say(what: str) -> None:
    """Prints what is done, with the time."""
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)


def opened(home: str, now_ms: int, settings: StoreSettings = DEFAULTS) -> tuple[Analytics, Keyring]:
    """Opens the record and the keyring of a home made for this."""
    folder = Path(home)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "master").exists():
        (folder / "master").write_bytes(b"m" * 32)
    analytics = Analytics.open(
        f"{home}/analytics", backups=f"{home}/backups", settings=settings, now_ms=now_ms
    )
    return analytics, Keyring(f"{home}/ring", f"{home}/master")


def main() -> None:
    """Fills a home, when it is empty: `python -m bench.store_fill HOME CALLS DAYS`."""
    home, calls, days = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    now_ms = time.time_ns() // 1_000_000
    analytics, keyring = opened(home, now_ms, StoreSettings(memory_mb=1024))
    fill(analytics, keyring, calls=calls, days=days, now_ms=now_ms)
    index_words(analytics, keyring, home)
    analytics.close()
    say(f"{folder_gb(Path(home)):.1f} GB")


def index_words(analytics: Analytics, keyring: Keyring, home: str) -> None:
    """Indexes the words of all that is sealed, as the control process does bit by bit."""
    indexer = Indexer(analytics, SearchIndex(load_search_key(f"{home}/search")), keyring)
    indexed = -1
    while indexer.rows_total > indexed:
        indexed = indexer.rows_total
        indexer.tick(0)
    say(f"{indexed:,} calls' words are indexed")


if __name__ == "__main__":
    main()
