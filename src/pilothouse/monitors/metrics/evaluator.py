"""Computes custom metrics of calls as they get on record, and writes them to the scores.

Calls wait in a bounded queue between the projector and this job; what a metric reads of questions and
answers is unsealed in memory for it alone. A metric's version and its calls' ids name its values: computing
them again gives the same names, and those that are there are not written twice.

Refuses to know how calls get on record. Invariant: a metric that cannot be computed is counted and shown; it
holds up neither intake nor another metric.
"""

import logging
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.analytics.record_contents import Sealed, read_sealed, unsealed
from pilothouse.contracts.events import RequestCompleted
from pilothouse.monitors.metrics.expression import Expression, read_expression
from pilothouse.monitors.metrics.faults import NoValueError
from pilothouse.monitors.metrics.fields import Scope, words_of
from pilothouse.monitors.metrics.settings import MetricSettings
from pilothouse.monitors.metrics.tallies import Tally
from pilothouse.store.analytics import Analytics
from pilothouse.store.named_sql import SqlError, ask_sql
from pilothouse.store.scores import Score, insert_scores
from pilothouse.telemetry.keyring import Keyring

__all__ = ["Evaluator", "Metric"]

logger = logging.getLogger(__name__)

MOST_WAITING = 50_000
"""Calls kept for this job; beyond it the oldest are left out, and counted."""
BATCH = 2000
SOURCE = "metric"
JOINED_AFTER_NS = 60 * 10**9
"""An application's number waits so long for its call, then it counts without one."""
MEASURES_BACK_NS = 3_600 * 10**9
SHARE = 2**32


@dataclass(slots=True)
class Metric:
    """A metric of the configuration, ready to be computed."""

    name: str
    settings: MetricSettings
    version: int
    expression: Expression | None = None
    where: Expression | None = None
    tally: Tally = field(default_factory=Tally)
    asked_at_ms: int = 0

    @property
    def needs_words(self) -> bool:
        """Whether it reads what was asked or answered."""
        return any(one is not None and one.needs_words for one in (self.expression, self.where))

    @property
    def kind(self) -> str:
        """What its values are: `number` or `boolean`."""
        return self.expression.kind if self.expression is not None else "number"

    @property
    def unit(self) -> str:
        """The unit of its values; empty for a bare number."""
        return self.settings.unit or ("1" if self.kind == "boolean" else "")

    def wants(self, call: RequestCompleted) -> bool:
        """Says whether a call is in its sample: the same calls each time."""
        share = self.settings.sample
        return share >= 1 or zlib.crc32(f"{self.name}\0{call.call_id}".encode()) < share * SHARE


class Evaluator:
    """All metrics of the configuration; ticked from one thread, given calls by another."""

    def __init__(
        self,
        analytics: Analytics,
        keyring: Keyring,
        metrics: Mapping[str, MetricSettings],
        versions: Mapping[str, int],
    ) -> None:
        self._analytics = analytics
        self._keyring = keyring
        self.metrics = [_metric(name, one, versions[name]) for name, one in metrics.items()]
        self._of_calls = [metric for metric in self.metrics if metric.expression is not None]
        self._waiting: deque[RequestCompleted] = deque(maxlen=MOST_WAITING)
        self.skipped = 0
        """Calls left out because there were too many at once."""
        self._is_first = True

    def give(self, calls: Sequence[RequestCompleted]) -> None:
        """Takes calls that got on record; copies for comparison and tests' calls are not counted."""
        if not self._of_calls:
            return
        served = [call for call in calls if call.shadow_of is None and call.purpose == "serve"]
        self.skipped += max(0, len(self._waiting) + len(served) - MOST_WAITING)
        self._waiting.extend(served)

    def tick(self, now_ms: int) -> bool:
        """Computes what waits and asks what is due; returns whether more waits."""
        calls = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        scores = self._of(calls, now_ms) if calls else []
        for metric in self.metrics:
            if metric.settings.sql is not None:
                scores += self._asked(metric, now_ms)
        if scores:
            is_written = False
            try:
                self._write(scores)
                is_written = True
            finally:
                if not is_written:  # the disk is full, or the record is being opened anew: again later
                    self._waiting.extendleft(reversed(calls))
        for metric in self.metrics:
            if metric.settings.measure is not None:
                self._copy_measures(metric, now_ms)
        return bool(self._waiting)

    def _of(self, calls: Sequence[RequestCompleted], now_ms: int) -> list[Score]:
        """Returns the values of calls."""
        wanted = [(metric, [call for call in calls if metric.wants(call)]) for metric in self._of_calls]
        in_words = {call.call_id: call for metric, some in wanted if metric.needs_words for call in some}
        words = self._words(list(in_words.values())) if in_words else {}
        scores = []
        for metric, some in wanted:
            for call in some:
                scope = Scope(call, *words.get(call.call_id, (None, None, None)))
                value = _value(metric, scope, now_ms)
                if value is not None:
                    scores.append(_score(metric, call, value))
        return scores

    def _words(
        self, calls: Sequence[RequestCompleted]
    ) -> dict[str, tuple[str | None, str | None, str | None]]:
        """Returns questions and answers, unsealed; of what is not kept or was erased there are none."""
        with self._analytics.reader() as reader:
            sealed = read_sealed(reader, [(call.call_id, call.at_ns) for call in calls])
        found = {}
        for call_id, parts in sealed.items():
            request, response = self._unsealed(call_id, parts)
            found[call_id] = words_of(request, response)
        return found

    def _unsealed(self, call_id: str, parts: Sequence[Sealed]) -> tuple[bytes | None, bytes | None]:
        request = response = None
        for part in parts:
            content = unsealed(self._keyring, call_id, part)
            if content is not None:
                request = content.request if content.request is not None else request
                response = content.response if content.response is not None else response
        return request, response

    def _asked(self, metric: Metric, now_ms: int) -> list[Score]:
        """Asks a metric's SQL, if it is due."""
        every_ms = int(metric.settings.every_s * 1000)
        if now_ms - metric.asked_at_ms < every_ms:
            return []
        start_ms = now_ms - every_ms if not metric.asked_at_ms else metric.asked_at_ms
        metric.asked_at_ms = now_ms
        assert metric.settings.sql is not None
        try:
            rows = ask_sql(
                self._analytics,
                metric.settings.sql,
                start_ns=start_ms * 1_000_000,
                end_ns=now_ms * 1_000_000,
            )
        except SqlError as error:
            metric.tally.note_fault(error.reason, str(error))
            logger.warning("the metric %s has no value: %s", metric.name, error)
            return []
        if not rows:
            metric.tally.unknown += 1
        for row in rows:
            metric.tally.note_value(row.value, now_ms)
        return [
            Score(
                score_id=f"{now_ms:013d}.{metric.name}.{metric.version}.{number}",
                at_ns=(now_ms - 1) * 1_000_000,
                source=SOURCE,
                name=metric.name,
                version=metric.version,
                kind="number",
                value=row.value,
                model=row.dimensions.get("model"),
                deployment=row.dimensions.get("deployment"),
                key_id=row.dimensions.get("key_id"),
                team=row.dimensions.get("team"),
            )
            for number, row in enumerate(rows)
        ]

    def _write(self, scores: Sequence[Score]) -> None:
        cursor = self._analytics.cursor()
        try:
            if self._is_first:
                scores = self._new_ones(cursor, scores)
                self._is_first = False
            insert_scores(cursor, scores)
        finally:
            cursor.close()

    @staticmethod
    def _new_ones(cursor: Any, scores: Sequence[Score]) -> list[Score]:
        """Leaves out what a process before this one wrote."""
        ids = [score.score_id for score in scores]
        rows = cursor.execute(
            "SELECT score_id FROM scores WHERE source = ? AND score_id IN (SELECT unnest(?::VARCHAR[]))",
            [SOURCE, ids],
        ).fetchall()
        known = {str(row[0]) for row in rows}
        return [score for score in scores if score.score_id not in known]

    def _copy_measures(self, metric: Metric, now_ms: int) -> None:
        """Takes the numbers that applications sent; each once, with its call where that is known."""
        now_ns = now_ms * 1_000_000
        cursor = self._analytics.cursor()
        try:
            rows = cursor.execute(
                "INSERT INTO scores SELECT score_id || '.' || $name || '.' || $version, at_ns, 'metric', "
                "$name, $version, 'number', value, NULL, call_id, request_id, trace_id, span_id, model, "
                "deployment, key_id, team, subject, false FROM scores AS given WHERE source = 'feedback' "
                "AND kind = 'measure' AND name = $measure AND at_ns >= $since "
                "AND (call_id IS NOT NULL OR at_ns < $joined) AND NOT EXISTS (SELECT 1 FROM scores AS mine "
                "WHERE mine.source = 'metric' AND mine.name = $name AND mine.version = $version "
                "AND mine.at_ns >= $since "
                "AND mine.score_id = given.score_id || '.' || $name || '.' || $version) RETURNING value",
                {
                    "name": metric.name,
                    "version": metric.version,
                    "measure": metric.settings.measure,
                    "since": now_ns - MEASURES_BACK_NS,
                    "joined": now_ns - JOINED_AFTER_NS,
                },
            ).fetchall()
        finally:
            cursor.close()
        for (value,) in rows:
            metric.tally.note_value(float(value), now_ms)


def _metric(name: str, settings: MetricSettings, version: int) -> Metric:
    def read(text: str | None) -> Expression | None:
        return None if text is None else read_expression(text)

    return Metric(name, settings, version, read(settings.expression), read(settings.where))


def _value(metric: Metric, scope: Scope, now_ms: int) -> float | None:
    """Returns a metric's value for a call and counts it; `None` when it has none or is not of this call."""
    assert metric.expression is not None
    try:
        if metric.where is not None and metric.where.value(scope) is not True:
            return None
        found = metric.expression.value(scope)
    except NoValueError as error:
        metric.tally.note_fault(error.reason)
        return None
    if found is None:
        metric.tally.unknown += 1
        return None
    value = float(found)
    metric.tally.note_value(value, now_ms)
    return value


def _score(metric: Metric, call: RequestCompleted, value: float) -> Score:
    return Score(
        score_id=f"{call.call_id}.{metric.name}.{metric.version}",
        at_ns=call.at_ns,
        source=SOURCE,
        name=metric.name,
        version=metric.version,
        kind=metric.kind,
        value=value,
        call_id=call.call_id,
        request_id=call.request_id,
        trace_id=call.trace_id,
        span_id=call.span_id,
        model=call.model,
        deployment=call.deployment,
        key_id=call.key_id,
        team=call.team,
        subject=call.subject,
    )
