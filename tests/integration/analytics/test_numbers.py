"""Money, faults and confidence of a small record, counted by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.analytics.record import NOW_MS, Record

from pilothouse.analytics.availability import availability
from pilothouse.analytics.confidence import confidence
from pilothouse.analytics.cost import cost
from pilothouse.analytics.numbers_routes import cost_csv

START_MS = NOW_MS - 600_000


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def test_errors_are_told_apart_by_whose_fault_they_are(record: Record) -> None:
    for number in range(6):
        record.add(10, number)
    record.add(10, 10, status=502, outcome="failed", error_type="upstream_error")
    record.add(10, 11, status=500, outcome="failed", error_type="api_error")
    record.add(10, 12, status=400, outcome="refused", error_type="invalid_request_error")
    record.add(10, 13, status=400, outcome="refused", error_code="guardrail_blocked")
    record.add(10, 14, model="n")
    record.settle()
    found = availability(record.analytics, by="model", start_ms=START_MS, end_ms=NOW_MS)
    one = found.data[0]
    assert (one.label, one.calls, one.answered) == ("m", 10, 6)
    faults = (one.our_errors, one.provider_errors, one.client_errors, one.guardrail_blocks)
    assert faults == (1, 1, 1, 1)
    assert one.availability == 6 / 8
    assert one.client_error_rate == 1 / 10
    assert (found.data[1].label, found.data[1].availability) == ("n", 1.0)
    assert (found.whole.calls, found.whole.answered) == (11, 7)


def test_availability_of_nothing_is_unknown(record: Record) -> None:
    found = availability(record.analytics, by="key", start_ms=START_MS, end_ms=NOW_MS)
    assert (found.data, found.whole.calls, found.whole.availability) == ([], 0, None)


def test_cost_is_told_apart_with_the_share_that_has_no_price(record: Record) -> None:
    record.add(30, 0, key_id="k1", cost_usd=3.0, input_tokens=10, output_tokens=5)
    record.add(330, 1, key_id="k1", cost_usd=1.0)
    record.add(30, 2, key_id="k2", cost_usd=None)
    record.add(30, 3, key_id="k3", cost_usd=1.0)
    record.add(30, 4, key_id="k3", cost_usd=None)
    record.settle()
    found = cost(
        record.analytics, by="key", start_ms=START_MS, end_ms=NOW_MS, points=2, key_names={"k1": "app"}
    )
    assert [(row.label, row.cost_usd, row.calls) for row in found.data] == [
        ("k1", 4.0, 2),
        ("k3", 1.0, 2),
        ("k2", None, 1),
    ]
    assert (found.data[0].name, found.data[0].share) == ("app", 0.8)
    assert found.data[0].series == [1.0, 3.0]
    assert (found.data[1].unpriced_calls, found.data[1].unpriced_share) == (1, 0.5)
    assert found.data[1].cost_per_call_usd == 1.0
    assert found.data[2].series == [0.0, None]
    assert (found.whole.cost_usd, found.whole.unpriced_calls, found.whole.calls) == (5.0, 2, 5)
    lines = cost_csv(found).splitlines()
    assert lines[0].startswith("key,name,cost_usd,share,calls,unpriced_calls")
    assert lines[1].startswith("k1,app,4.0,0.8,2,0")
    assert lines[-1].startswith("(all),,5.0,1.0,5,2")


def test_cost_by_conversation_has_the_dearest_first(record: Record) -> None:
    record.add(30, 0, conversation_id="a", cost_usd=1.0)
    record.add(40, 1, conversation_id="b", cost_usd=2.0)
    record.add(330, 2, conversation_id="b", cost_usd=None)
    record.add(30, 3)
    record.settle()
    found = cost(record.analytics, by="conversation", start_ms=START_MS, end_ms=NOW_MS, points=2)
    assert [(row.label, row.cost_usd, row.unpriced_calls) for row in found.data] == [
        ("b", 2.0, 1),
        ("a", 1.0, 0),
    ]
    assert found.data[0].series == [None, 2.0]


def test_confidence_is_a_distribution(record: Record) -> None:
    for number, mean in enumerate((-0.05, -0.15, -0.16, -99.0)):
        record.add(10, number, logprob_mean=mean, logprob_min=mean * 2, logprob_entropy=0.25)
    record.add(10, 9)
    record.add(10, 10, model="n", logprob_mean=-1.0)
    record.settle()
    found = confidence(record.analytics, start_ms=START_MS, end_ms=NOW_MS, model="m")
    assert (found.calls, found.mean.count, found.minimum.count, found.entropy.count) == (5, 4, 4, 4)
    bars = [(bar.start, bar.count) for bar in found.mean.bars if bar.count]
    assert bars == [(0.0, 1), (-0.1, 2), (-2.9, 1)], "what lies beyond is in the last bar"
    assert [(bar.start, bar.end, bar.count) for bar in found.entropy.bars if bar.count] == [(0.2, 0.3, 4)]
    assert found.mean.p50 == pytest.approx(-0.155)
    nothing = confidence(record.analytics, start_ms=START_MS, end_ms=NOW_MS, deployment="x")
    assert (nothing.calls, nothing.mean.count, nothing.mean.bars) == (0, 0, [])
