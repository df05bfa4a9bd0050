"""One fixture of calls, spans, scores, words and logs, put into both databases."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.analytics.record import NOW_MS
from tests.integration.analytics.test_traces import Traced

from pilothouse.contracts.events import Content
from pilothouse.store.analytics import Analytics
from pilothouse.store.clickhouse_schema import SHIPPED, make_tables
from pilothouse.store.settings import KeepSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

KEEP = KeepSettings(spans_days=9000, scores_days=9000, metric_points_days=9000, logs_days=9000).days(
    metadata_days=9000, content_days=9000
)
MODELS = ("small", "large", None)


def fill(record: Traced, calls: int = 400) -> None:
    """Puts calls of every kind on record, over an hour and some days, then spans, scores and logs."""
    draw = random.Random(7)
    for number in range(calls):
        status = draw.choice((200, 200, 200, 200, 429, 500, 502))
        fields: dict[str, Any] = {
            "model": draw.choice(MODELS), "status": status,
            "deployment": draw.choice(("small/d-0", "b", None)),
            "provider": draw.choice(("openai", "anthropic")), "team": draw.choice(("red", "blue", None)),
            "key_id": draw.choice(("key_1", "key_2", None)),
            "outcome": "completed" if status != 502 else draw.choice(("failed", "cut")),
            "error_type": "upstream_error" if status == 502 else None,
            "error_code": "guardrail_pii" if status == 429 and number % 2 else None,
            "is_stream": number % 2 == 0, "duration_ms": draw.lognormvariate(5, 1),
            "first_token_ms": draw.lognormvariate(4, 1) if number % 2 == 0 else None,
            "last_token_ms": draw.lognormvariate(7, 1) if number % 2 == 0 else None,
            "queue_ms": draw.random() * 10, "input_tokens": draw.randrange(2000),
            "output_tokens": draw.randrange(300), "cost_usd": draw.choice((None, draw.random() / 100)),
            "cache": draw.choice((None, None, None, "exact")),
            "saved_usd": draw.choice((None, draw.random() / 100)),
            "shadow_of": draw.choice((None, None, None, "x")), "conversation_id": f"c{draw.randrange(30)}",
            "trace_id": f"{draw.randrange(100):032x}" if number % 3 else None,
            "experiment": draw.choice((None, "e")), "arm": draw.choice(("a", "b")),
            "logprob_mean": draw.choice((None, -draw.random() * 3)),
            "logprob_min": draw.choice((None, -draw.random() * 9)),
        }  # fmt: skip
        record.add(draw.choice((draw.random() * 3000, draw.random() * 3 * 86_400)), number, **fields)
    record.said(30, 9001, "please refund the order", "The refund is on its way.", conversation_id="talk")
    record.said(20, 9002, "thank you", "You are welcome.", conversation_id="talk", trace_id="ab" * 16)
    judged = record.add(10, 9003, model="small")
    record.settle()
    record.span(19, "1" * 16, Content(request=b'{"q": "find the refund rules"}'), kind="retrieval")
    record.span(18, "2" * 16, kind="llm", model="small", conversation_id="talk", input_tokens=5)
    record.span(17, "3" * 16, kind="tool", status="error", error_type="timeout", parent_span_id="2" * 16)
    cursor = record.analytics.cursor()
    at = NOW_MS * 1_000_000 - 10**10
    for number in range(50):
        cursor.execute(
            "INSERT INTO scores (score_id, at_ns, source, name, version, kind, value, trace_id, model,"
            " has_content) VALUES (?, ?, 'metric', 'politeness', 1, 'number', ?, ?, 'small', false)",
            [f"s{number:02d}", at - number * 60 * 10**9, number / 7, "ab" * 16],
        )
    for number, kind in enumerate(("thumbs", "thumbs", "stars")):
        cursor.execute(
            "INSERT INTO scores (score_id, at_ns, source, name, version, kind, value, call_id, request_id,"
            " model, has_content) VALUES (?, ?, 'feedback', 'feedback', 1, ?, 1, ?, 'r9003', 'small', false)",
            [f"f{number}", at + number, kind, judged.call_id],
        )
    cursor.execute(
        "INSERT INTO log_records (at_ns, log_id, severity, event_name, trace_id, has_content)"
        " VALUES (?, 'l1', 'INFO', 'started', ?, false)",
        [at, "ab" * 16],
    )
    cursor.close()
    while record.projector.tick(NOW_MS + 600_000).has_more:  # rolls up
        pass
    record.indexer.tick(NOW_MS)


def copy(analytics: Analytics, client: "Client") -> None:
    """Copies every row of the embedded files to ClickHouse."""
    make_tables(client, "pilothouse", KEEP)
    cursor = analytics.cursor()
    file = Path(analytics.folder) / "copy.parquet"

    def move(source: str, table: str) -> None:
        cursor.execute(f"COPY (SELECT * FROM {source}) TO '{file}' (FORMAT parquet)")
        client.raw_insert(f"pilothouse.{table}", insert_block=file.read_bytes(), fmt="Parquet")

    for table in SHIPPED:
        if table.name != "content":
            move(table.name, table.name)
    for day in analytics.days():
        with analytics.lock:
            move(f"{analytics.attach(day)}.content", "content")
    cursor.close()
