"""However many names there are, what counts them stays small."""

from pilothouse.api.counters import Counters
from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.telemetry.prometheus import Histogram, Sample
from pilothouse.telemetry.settings import PrometheusSettings


def test_a_hundred_thousand_names_leave_memory_bounded() -> None:
    counters = Counters(PrometheusSettings(most_series=50, label_keys=True))
    counters.add(
        RequestCompleted(
            call_id="c", request_id="r", at_ns=0, operation="chat", status=200, outcome="completed",
            model=f"m{n}", provider=f"p{n}", deployment=f"d{n}", team=f"t{n}", key_id=f"k{n}",
            model_answered=f"a{n}", input_tokens=1, duration_ms=2.0, trace_id=f"{n:032x}",
            attempts=(Attempt(deployment=f"x{n}", provider=f"y{n}", duration_ms=1.0),) if n < 1000 else (),
        )
        for n in range(100_000)
    )  # fmt: skip
    for family in counters.families():
        assert len(family.samples) <= 52, family.name
    by_name = {family.name: family for family in counters.families()}
    requests = [one for one in by_name["pilothouse_requests_total"].samples if isinstance(one, Sample)]
    assert sum(one.value for one in requests) == 100_000
    tries = by_name["gen_ai_client_operation_duration_seconds"].samples
    assert sum(sum(one.counts) for one in tries if isinstance(one, Histogram)) == 1000
