"""Step 4: which deployments answer for this model, and what of the call is kept.

Refuses to know bodies. Invariant: a caller reaches only models its key allows, and the stricter of the
key's and the model's recording policy holds.
"""

from random import random

from pilothouse.contracts.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from pilothouse.contracts.snapshot import ConfidenceRecording, KeyRecord, RecordPolicy
from pilothouse.contracts.traffic import ExperimentUnit
from pilothouse.gateway.affinity import affinity_of
from pilothouse.gateway.call import Call
from pilothouse.gateway.routing.arms import arm_of

_STRICTNESS: tuple[ConfidenceRecording, ...] = ("off", "sampled", "on")


def route(call: Call) -> None:
    """Sets the route, the policy, and what is asked for on our own account."""
    assert call.model is not None
    assert call.asked is not None
    require_allowed(call.key, call.model)
    found = call.state.directory.route(call.model)
    if found is None:
        raise NotFoundError(
            f"The model {call.model[:200]!r} does not exist here.",
            hint="GET /v1/models lists the models there are.",
            code="model_not_found",
            param="model",
        )
    if found.kind is not None and (found.kind == "embedding") != (call.operation == "embeddings"):
        usual = "/v1/embeddings" if found.kind == "embedding" else "/v1/chat/completions"
        raise InvalidRequestError(
            f"The model {call.model!r} does not do this.",
            hint=f"It answers on {usual}.",
            code="model_not_supported",
            param="model",
        )
    call.route = found
    own = call.key.record if call.key is not None else None
    call.policy = found.policy if own is None else stricter(found.policy, own)
    options = call.asked.stream_options
    call.wants_usage = call.is_stream and not (options is not None and options.include_usage)
    call.wants_confidence = _wants_confidence(call)
    if found.experiment is not None:
        call.experiment = found.experiment.name
        call.arm = arm_of(found.experiment, _unit(call, found.experiment.unit))
    if found.wants_key:
        call.affinity = affinity_of(call, found.routing.strategy)


def require_allowed(key: KeyRecord | None, model: str) -> None:
    """Refuses a model that a key does not allow.

    Raises:
        PermissionDeniedError: The key is limited to other models.
    """
    if key is not None and key.models is not None and model not in key.models:
        raise PermissionDeniedError(
            f"This key may not use the model {model[:200]!r}.",
            hint="GET /v1/models lists the models this key may use.",
            code="model_not_allowed",
            param="model",
        )


def stricter(one: RecordPolicy, other: RecordPolicy) -> RecordPolicy:
    """Returns the policy that keeps no more than either."""
    return RecordPolicy(
        content="none" if "none" in (one.content, other.content) else "full",
        confidence=min(one.confidence, other.confidence, key=_STRICTNESS.index),
        max_body_bytes=min(one.max_body_bytes, other.max_body_bytes),
    )


def _unit(call: Call, unit: ExperimentUnit) -> str:
    """Returns what an experiment's arm is drawn for; where a call lacks it, the next narrower thing."""
    if unit == "conversation" and call.conversation_id is not None:
        return call.conversation_id
    if unit == "key":
        return call.key_id or call.call_id
    if unit == "subject":
        return call.subject or call.call_id
    return call.call_id


def _wants_confidence(call: Call) -> bool:
    asked, wish = call.asked, call.policy.confidence
    if wish == "off" or asked is None or call.operation == "embeddings" or asked.echo:
        return False
    if asked.logprobs is not None and asked.logprobs is not False:
        return False  # the client asked: they are there anyway, and stay
    return wish == "on" or random() < call.state.settings.sampled_confidence  # noqa: S311 - a sample
