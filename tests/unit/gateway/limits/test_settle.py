"""What a call holds is given back once, however often and in whatever way it is said to have ended."""

import asyncio
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.errors import UpstreamError
from pilothouse.contracts.events import Attempt, Outcome
from pilothouse.contracts.snapshot import Price
from pilothouse.contracts.traffic import Limits
from pilothouse.gateway import record
from pilothouse.gateway.call import Call
from pilothouse.gateway.figures import Tokens
from pilothouse.gateway.limits.cells import Cells, digest_of
from pilothouse.gateway.limits.counting import Counting
from pilothouse.gateway.limits.gate import Gate, Ticket
from pilothouse.gateway.limits.layout import HIGH_SLOT, file_bytes
from pilothouse.gateway.request import Request
from pilothouse.gateway.settings import GatewayProcess
from pilothouse.gateway.state import GatewayState

if TYPE_CHECKING:
    from pilothouse.contracts.events import Content, Event
    from pilothouse.gateway.directory import Route

OUTCOMES: list[Outcome] = ["completed", "refused", "failed", "cancelled", "cut"]
RESERVED = 500
USED = 110
COST_NANO = 120_000


class Memory:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(
        self, event: "Event", content: "Content | None" = None, *, before: "Event | None" = None
    ) -> None:
        assert content is None
        assert before is None
        self.events.append(event)

    def refusal(self) -> str | None:
        return None


def counting_in_memory() -> Counting:
    cells = Cells(memoryview(bytearray(file_bytes(8))), rows=8, flock=lambda _handle, _operation: None)
    cells.quads[HIGH_SLOT] = 1
    return Counting(cells, 60.0)


def call_under_way(loop: asyncio.AbstractEventLoop, journal: Memory) -> tuple[Call, Gate, Counting]:
    process = GatewayProcess(home="/nowhere", worker="0", version="1", listen_fd=0)
    state = GatewayState(process, pepper=b"p" * 32, journal=journal, pool=cast("Any", None), loop=loop)
    counting = counting_in_memory()
    made = counting.cells.make_row(digest_of("key", "key_a"))
    assert made is not None
    limits = Limits(requests_per_minute=10, tokens_per_minute=1000, concurrency=5, budget_day_usd=1.0)
    gate = Gate("key", "key_a", limits, counting.cells, made[0])
    state.meter._counting = counting
    request = Request(b"POST", b"/", {}, b"{}", 1_795_392_000_000_000_000, 1000.0)
    call = Call(state, cast("Any", None), request, "chat")
    call.route = cast("Route", SimpleNamespace(name="quiet"))
    call.price = Price(input_usd=1.0, output_usd=2.0)
    state.in_flight += 1
    return call, gate, counting


@given(
    st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "exact", "coalesced"]),
)
def test_it_is_settled_once(endings: list[Outcome], has_usage: bool, was_tried: bool, cache: Any) -> None:  # noqa: FBT001 - drawn
    loop, journal = asyncio.new_event_loop(), Memory()
    try:
        call, gate, counting = call_under_way(loop, journal)
        now_s = perf_counter()
        refusal, bucket, _ = counting.enter(
            (gate,), RESERVED, RESERVED, now_s=now_s, now_ns=call.request.at_ns
        )
        assert refusal is None
        call.ticket = Ticket((gate,), bucket, RESERVED, RESERVED)
        call.is_admitted = True
        call.state.gatekeeper.running = 1
        call.cache = cache
        if was_tried:
            call.attempts = (Attempt("quiet/0", "vendor"),)
        if has_usage:
            call.tokens = Tokens(100, 10)
        for outcome in endings:
            error = UpstreamError("No.") if outcome == "failed" else None
            record.end_quietly(call, status=200, outcome=outcome, error=error)
        requests, tokens, _ = counting.totals(gate, perf_counter())
        is_made = endings[0] != "refused" and (was_tried or endings[0] != "cancelled")
        assert len(journal.events) == 1
        assert call.state.gatekeeper.running == 0
        assert counting.cells.under_way(gate.row_halves) == 0
        assert requests == is_made
        assert tokens == expected_tokens(endings[0], is_made, has_usage, cache)
        day = 0 if not (is_made and has_usage) or cache is not None else COST_NANO
        assert sum(counting.spent(gate)) == 2 * day
    finally:
        loop.close()


def expected_tokens(outcome: Outcome, is_made: bool, has_usage: bool, cache: str | None) -> int:  # noqa: FBT001 - drawn
    if not is_made or cache is not None:
        return 0
    if has_usage:
        return USED
    return 0 if outcome == "failed" else RESERVED
