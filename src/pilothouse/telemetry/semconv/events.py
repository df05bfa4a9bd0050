"""A span's events: messages and choices, evaluations, exceptions, the first token, and whatever else.

Refuses to know attributes of spans. Invariant: an event that is not understood is kept under `events`.
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.contracts.spans import Evaluation
from pilothouse.telemetry.otlp.raw import RawEvent, RawSpan
from pilothouse.telemetry.semconv import early, values
from pilothouse.telemetry.semconv.absorbing import SCORES
from pilothouse.telemetry.semconv.absorbing import absorb as absorb_attributes
from pilothouse.telemetry.semconv.draft import EARLY, Draft, numbered

__all__ = ["DETAILS", "EVALUATION", "EVENTS", "absorb", "evaluation", "scores"]

DETAILS = "gen_ai.client.inference.operation.details"
"""The event whose attributes are a span's."""
EVALUATION = "gen_ai.evaluation.result"
CHOICE = "gen_ai.choice"
PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"
FIRST_TOKEN = {"First Token Stream Event", "llm.content.completion.chunk", "gen_ai.content.completion.chunk"}
EVENTS = {*early.EVENT_ROLES, CHOICE, PROMPT, COMPLETION, DETAILS, EVALUATION}
"""What the conventions name."""
MOST_EVENTS = 1024
"""That are kept without being understood."""


def absorb(draft: Draft, raw: RawSpan) -> list[dict[str, Any]]:
    """Takes in a span's events; returns those that are not understood."""
    others: list[dict[str, Any]] = []
    for event in raw.events:
        name = event.name
        if name in EVENTS:
            _known(draft, raw, event)
        elif name == "exception":
            _exception(draft, event)
        elif name in FIRST_TOKEN:
            if "first_token_ms" not in draft.fields and event.at_ns >= raw.start_ns:
                draft.fields["first_token_ms"] = (event.at_ns - raw.start_ns) / 1e6
        elif len(others) < MOST_EVENTS:
            bounded = values.bounded(event.attributes, draft.cuts, name)
            others.append({"name": name[:256], "at_ns": event.at_ns, "attributes": bounded})
    return others


def evaluation(
    said: Mapping[str, Any], *, trace_id: str, span_id: str | None, at_ns: int, cuts: list[dict[str, Any]]
) -> Evaluation:
    """Returns the score that an event's attributes give."""
    explanation = said.get("gen_ai.evaluation.explanation")
    if explanation is not None:
        explanation = values.as_text(values.bounded(explanation, cuts, "gen_ai.evaluation.explanation"))
    return Evaluation(
        trace_id=trace_id,
        at_ns=at_ns,
        name=values.as_label(said.get("gen_ai.evaluation.name")) or "evaluation",
        span_id=span_id,
        value=values.as_number(said.get("gen_ai.evaluation.score.value")),
        label=values.as_label(said.get("gen_ai.evaluation.score.label")),
        explanation=explanation,
        request_id=values.as_label(said.get("gen_ai.response.id")),
    )


def _known(draft: Draft, raw: RawSpan, event: RawEvent) -> None:
    name = event.name
    if name == EVALUATION:
        made = evaluation(
            event.attributes, trace_id=raw.trace_id, span_id=raw.span_id, at_ns=event.at_ns, cuts=draft.cuts
        )
        draft.evaluations.append(made)
        return
    if name in (DETAILS, PROMPT, COMPLETION):
        absorb_attributes(draft, event.attributes)
        return
    draft.conventions |= EARLY
    said = {key: values.bounded(value, draft.cuts, key) for key, value in event.attributes.items()}
    if name == CHOICE:
        draft.answers.append(early.choice(said, len(draft.answers)))
    else:
        draft.turns.append(early.turn(name, said))


def _exception(draft: Draft, event: RawEvent) -> None:
    kind = values.as_label(event.attributes.get("exception.type"))
    if kind is not None and "error_type" not in draft.fields:
        draft.fields["error_type"] = kind
    for name, value in event.attributes.items():
        draft.rest.setdefault(name, values.bounded(value, draft.cuts, name))


def scores(draft: Draft, raw: RawSpan) -> None:
    """Makes scores of what the attributes say of an evaluation."""
    said = {name: draft.fields.get(f"evaluation.{name}") for name in ("name", "value", "label")}
    if said["name"] is not None and (said["value"] is not None or said["label"] is not None):
        attributes = {
            "gen_ai.evaluation.name": said["name"],
            "gen_ai.evaluation.score.value": said["value"],
            "gen_ai.evaluation.score.label": said["label"],
            "gen_ai.evaluation.explanation": draft.take("gen_ai.evaluation.explanation"),
            "gen_ai.response.id": draft.fields.get("request_id"),
        }
        _score(draft, raw, attributes)
    for tree, inner in SCORES.items():
        for each in numbered(draft.trees.get(tree)):  # kept too: it may say who judged
            found = each.get(inner) if isinstance(each, dict) else None
            if isinstance(found, dict):
                names = {"name": "name", "score.value": "score", "score.label": "label"}
                attributes = {f"gen_ai.evaluation.{new}": found.get(old) for new, old in names.items()}
                attributes["gen_ai.evaluation.explanation"] = found.get("explanation")
                _score(draft, raw, attributes)


def _score(draft: Draft, raw: RawSpan, attributes: Mapping[str, Any]) -> None:
    draft.evaluations.append(
        evaluation(attributes, trace_id=raw.trace_id, span_id=raw.span_id, at_ns=raw.end_ns, cuts=draft.cuts)
    )
