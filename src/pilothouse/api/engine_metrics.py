"""Prometheus' families of engines under vLLM's names, whatever engine it is: of ours, or a vLLM elsewhere.

llama.cpp tells of its slots, its queue and its tokens; what it does not (how full the cache of keys and
values is) has no sample. Its times to tokens are measured by the gateway. A vLLM behind a deployment is asked
for its own `/metrics`, and its families are passed on with the deployment's name.

Refuses to know how engines are run. Invariant: vendors of the catalogue are never asked, a server without
such a page is left alone for minutes, and no credential is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.events import RequestCompleted
from pilothouse.contracts.snapshot import EngineName
from pilothouse.contracts.status import EngineStatus
from pilothouse.network import sync
from pilothouse.telemetry.export.histograms import FIRST_TOKEN, OTHER, TOKEN_TIME, Series
from pilothouse.telemetry.exposition import read_families
from pilothouse.telemetry.prometheus import Family, Sample

__all__ = ["EngineTarget", "EngineTimes", "Scrapes", "engine_families", "merged"]

PREFIX = "vllm:"
ENGINES = frozenset(get_args(EngineName))
OK = 200
TIMEOUT_S = 2.0
AGAIN_AFTER_MS = 300_000
"""A server that has no such page is asked again after so long."""
MOST_TARGETS = 64
MOST_SAMPLES = 5_000


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """A server of models that may have a page of metrics."""

    deployment: str
    url: str
    """Of the page."""


def engine_families(engines: Iterable[EngineStatus]) -> list[Family]:
    """Returns what the engines of ours say, under vLLM's names."""
    listed = list(engines)

    def each(name: str) -> list[Sample]:
        values = ((one, getattr(one, name)) for one in listed)
        return [Sample(float(value), _labels(one.deployment)) for one, value in values if value is not None]

    return [
        Family("vllm:num_requests_running", "gauge", "Calls an engine works on.", each("slots_busy")),
        Family("vllm:num_requests_waiting", "gauge", "Calls waiting for a slot.", each("queued")),
        Family("vllm:prompt_tokens_total", "counter", "Input tokens worked on.", each("prompt_tokens_total")),
        Family("vllm:generation_tokens_total", "counter", "Tokens made.", each("output_tokens_total")),
    ]


def merged(families: Iterable[Family]) -> list[Family]:
    """Returns the families, those of one name as one: an engine's and another's."""
    found: dict[str, Family] = {}
    for family in families:
        known = found.get(family.name)
        if known is None:
            found[family.name] = family
        elif known.kind == family.kind:
            both = [*known.samples, *family.samples]
            found[family.name] = Family(known.name, known.kind, known.help, both)
    return list(found.values())


class EngineTimes:
    """Times to tokens of engines of ours, as the gateway met them. Its owner holds a lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._first: dict[str, Series] = {}
        self._between: dict[str, Series] = {}

    def add(self, call: RequestCompleted) -> None:
        """Counts a call that an engine of ours answered, from when it was asked on."""
        if call.provider not in ENGINES or call.deployment is None or call.cache is not None:
            return
        first_ms, last_ms, tokens = call.first_token_ms, call.last_token_ms, call.output_tokens
        if first_ms is None or not call.attempts or not call.is_stream:
            return
        at_s = call.at_ns / 1e9
        first_s = max(0.0, first_ms - call.attempts[-1].started_ms) / 1000
        self._at(self._first, call.deployment, FIRST_TOKEN).add(FIRST_TOKEN, first_s, call.trace_id, at_s)
        if last_ms is not None and tokens is not None and tokens > 1 and last_ms >= first_ms:
            each_s = (last_ms - first_ms) / (tokens - 1) / 1000
            self._at(self._between, call.deployment, TOKEN_TIME).add(TOKEN_TIME, each_s, call.trace_id, at_s)

    def families(self) -> list[Family]:
        """Returns the histograms."""
        return [
            Family(
                "vllm:time_to_first_token_seconds",
                "histogram",
                "From asked to the first token.",
                [found.shown(FIRST_TOKEN, _labels(name)) for name, found in self._first.items()],
            ),
            Family(
                "vllm:inter_token_latency_seconds",
                "histogram",
                "Between two tokens, on average over a call.",
                [found.shown(TOKEN_TIME, _labels(name)) for name, found in self._between.items()],
            ),
        ]

    def _at(self, series: dict[str, Series], deployment: str, bounds: tuple[float, ...]) -> Series:
        if deployment not in series and len(series) >= self._most:
            deployment = OTHER
        found = series.get(deployment)
        if found is None:
            found = series[deployment] = Series.empty(bounds)
        return found


class Scrapes:
    """Asks the servers of models that are not ours for their metrics; asked by one thread, read by any."""

    def __init__(self, targets: Callable[[], Sequence[EngineTarget]]) -> None:
        """Takes who says which servers there are."""
        self._targets = targets
        self._not_before_ms: dict[str, int] = {}
        self._found: dict[str, list[Family]] = {}

    def tick(self, now_ms: int) -> bool:
        """Asks each server once; there is never more to do at once."""
        targets = self._targets()[:MOST_TARGETS]
        for target in targets:
            if now_ms < self._not_before_ms.get(target.url, 0):
                continue
            families = _scraped(target)
            self._found[target.deployment] = families
            if not families:
                self._not_before_ms[target.url] = now_ms + AGAIN_AFTER_MS
        named = {target.deployment for target in targets}
        self._found = {name: found for name, found in self._found.items() if name in named}
        urls = {target.url for target in targets}
        self._not_before_ms = {url: at for url, at in self._not_before_ms.items() if url in urls}
        return False

    def families(self) -> list[Family]:
        """Returns what the servers said last."""
        return [family for found in self._found.values() for family in found]


def _scraped(target: EngineTarget) -> list[Family]:
    try:
        answer = sync.request("GET", target.url, timeout_s=TIMEOUT_S, max_redirects=0)
    except PilothouseError:
        return []
    if answer.status != OK:
        return []
    labels = {"deployment": target.deployment}
    page = answer.body.decode("utf-8", "replace")
    return read_families(page, prefix=PREFIX, labels=labels, most_samples=MOST_SAMPLES)


def _labels(deployment: str) -> dict[str, str]:
    return {"deployment": deployment, "model_name": deployment.partition("/")[0]}
