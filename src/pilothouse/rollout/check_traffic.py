"""What is wrong in how traffic is steered, limited and cached, each problem with its place in the file.

Refuses to know deployments' addresses and prices: that is `check.py`. Invariant: what passes names only
models and arms that are there, and no fallback leads back to where it came from.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pilothouse.contracts.snapshot import ModelKind
from pilothouse.rollout.problem import Place, Problem
from pilothouse.rollout.settings import ModelSettings, RolloutSettings
from pilothouse.rollout.traffic import FALLBACK_KINDS
from pilothouse.rollout.traffic_settings import CounterSettings, ExperimentSettings, RoutingSettings

Kinds = Mapping[str, ModelKind]
"""What each model that is served is."""

FEWEST_ARMS = 2


def traffic_problems(settings: RolloutSettings, kinds: Kinds) -> Iterator[Problem]:
    """Yields everything that is wrong about traffic, in the order of the file."""
    for name, model in (settings.models or {}).items():
        place: Place = ("models", name)
        yield from _fallback(place, name, model, kinds)
        yield from _routing((*place, "routing"), model.routing)
        yield from _shadows(place, name, model, kinds)
        yield from _experiment(place, model)
        yield from _cache(place, name, model, kinds)
    yield from _circles(settings.models or {})
    yield from _counters(settings.limits)


def _fallback(place: Place, name: str, model: ModelSettings, kinds: Kinds) -> Iterator[Problem]:
    for kind, index, other in _fallback_entries(model):
        where = (*place, "fallback", *((kind,) if kind else ()), index)
        if other != name:  # A model that stands in for itself is a circle, and said so there.
            yield from _other_model(where, "fallback", name, other, kinds)


def _fallback_entries(model: ModelSettings) -> Iterator[tuple[str, int, str]]:
    if isinstance(model.fallback, tuple):
        yield from (("", index, other) for index, other in enumerate(model.fallback))
        return
    for kind in FALLBACK_KINDS:
        names: tuple[str, ...] = getattr(model.fallback, kind)
        yield from ((kind, index, other) for index, other in enumerate(names))


def _other_model(where: Place, role: str, name: str, other: str, kinds: Kinds) -> Iterator[Problem]:
    if other not in kinds:
        yield Problem(
            where,
            f"the {role} {other!r} is not a model of this file.",
            _near(
                other,
                (known for known in kinds if known != name),
                "Name a model that stands under `models:`.",
            ),
        )
    elif kinds[other] != kinds[name]:
        yield Problem(
            where,
            f"the {role} {other!r} is of another kind than {name!r}.",
            f"It must be of the kind `{kinds[name]}`, as {name!r} is.",
        )


def _near(name: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else otherwise


def _circles(models: Mapping[str, ModelSettings]) -> Iterator[Problem]:
    """Yields each way in which fallbacks lead back, once, at the entry that closes it."""
    done: set[str] = set()
    for name in models:
        yield from _circles_from(name, [], models, done)


def _circles_from(
    name: str, path: list[str], models: Mapping[str, ModelSettings], done: set[str]
) -> Iterator[Problem]:
    if name in done or name not in models:
        return
    path.append(name)
    for kind, index, other in _fallback_entries(models[name]):
        if other in path:
            circle = [*path[path.index(other) :], other]
            yield Problem(
                ("models", name, "fallback", *((kind,) if kind else ()), index),
                f"the fallbacks go in a circle: {' → '.join(circle)}.",
                f"Take {other!r} out of the fallbacks of {name!r}.",
            )
        else:
            yield from _circles_from(other, path, models, done)
    path.pop()
    done.add(name)


def _routing(place: Place, routing: RoutingSettings) -> Iterator[Problem]:
    objective = (*place, "latency_objective_ms")
    if routing.strategy == "cheapest" and routing.latency_objective_ms is None:
        yield Problem(
            (*place, "strategy"),
            "`cheapest` has no `latency_objective_ms`: the cheapest deployment would be chosen however slow.",
            "Add the time that a deployment must keep, for example `latency_objective_ms: 2000`.",
        )
    if routing.strategy != "cheapest" and routing.latency_objective_ms is not None:
        yield Problem(
            objective,
            f"`latency_objective_ms` says nothing to the strategy `{routing.strategy}`.",
            "Take it out, or write `strategy: cheapest`.",
        )
    retries, breaker = routing.retries, routing.breaker
    if retries.cap_ms < retries.base_ms:
        yield _less((*place, "retries"), "cap_ms", retries.cap_ms, "base_ms", retries.base_ms)
    if breaker.max_open_ms < breaker.open_ms:
        yield _less((*place, "breaker"), "max_open_ms", breaker.max_open_ms, "open_ms", breaker.open_ms)


def _less(place: Place, most: str, most_value: int, least: str, least_value: int) -> Problem:
    return Problem(
        (*place, most),
        f"`{most}` ({most_value}) is below `{least}` ({least_value}).",
        f"Give `{most}: {least_value}` or more.",
    )


def _shadows(place: Place, name: str, model: ModelSettings, kinds: Kinds) -> Iterator[Problem]:
    for index, shadow in enumerate(model.routing.shadows):
        where = (*place, "routing", "shadows", index, "model")
        if shadow.model == name:
            yield Problem(where, f"{name!r} is a shadow of itself.", "Name another model, or take it out.")
        else:
            yield from _other_model(where, "shadow", name, shadow.model, kinds)


def _experiment(place: Place, model: ModelSettings) -> Iterator[Problem]:
    experiment = model.routing.experiment
    arms = () if experiment is None else tuple(arm.name for arm in experiment.arms)
    for index, deployment in enumerate(model.deployments):
        if deployment.arm is not None and deployment.arm not in arms:
            yield Problem(
                (*place, "deployments", index, "arm"),
                f"there is no arm {deployment.arm!r} in this model's experiment.",
                _near(deployment.arm, arms, "Add it to `routing.experiment.arms`, or take `arm` out."),
            )
    if experiment is not None:
        yield from _arms((*place, "routing", "experiment", "arms"), experiment, model)


def _arms(place: Place, experiment: ExperimentSettings, model: ModelSettings) -> Iterator[Problem]:
    names = [arm.name for arm in experiment.arms]
    if len(names) < FEWEST_ARMS:
        yield Problem(
            place, f"the experiment {experiment.name!r} compares nothing: it has {len(names)} arms.",
            "Give it two arms or more, each with a `name` and a `weight`.",
        )  # fmt: skip
    elif not any(arm.weight for arm in experiment.arms):
        yield Problem(
            place, f"the weights of the arms of {experiment.name!r} sum to zero.",
            "Give at least one arm a weight above 0.",
        )  # fmt: skip
    weights: dict[str, int] = {}
    for deployment in model.deployments:
        if deployment.arm is not None:
            weights[deployment.arm] = weights.get(deployment.arm, 0) + deployment.weight
    for index, arm in enumerate(experiment.arms):
        if names.index(arm.name) != index:
            yield Problem((*place, index), f"the arm {arm.name!r} stands twice.", "Give each its own name.")
        elif arm.name not in weights:
            yield Problem(
                (*place, index), f"the arm {arm.name!r} routes to nothing: no deployment stands in it.",
                f"Write `arm: {arm.name}` at a deployment of this model.",
            )  # fmt: skip
        elif not weights[arm.name]:
            yield Problem(
                (*place, index), f"the arm {arm.name!r} routes to nothing: its deployments have weight 0.",
                "Give at least one of them a weight above 0.",
            )  # fmt: skip


def _cache(place: Place, name: str, model: ModelSettings, kinds: Kinds) -> Iterator[Problem]:
    cache = model.cache
    if cache.semantic and kinds[name] != "chat":
        yield Problem(
            (*place, "cache", "semantic"),
            f"{name!r} is no chat model: only chat has messages whose meaning can be compared.",
            "Write `exact: true` instead.",
        )
    elif cache.semantic and kinds.get(cache.embedder) != "embedding":
        known = [other for other, kind in kinds.items() if kind == "embedding"]
        what = "not an embedding model" if cache.embedder in kinds else "not a model of this file"
        yield Problem(
            (*place, "cache", "embedder"),
            f"the embedder {cache.embedder!r} is {what}.",
            f"There is: {', '.join(known)}." if known else "Add `all-minilm-l6-v2: {}` under `models:`.",
        )
    if model.batching is not None and kinds[name] != "embedding":
        yield Problem(
            (*place, "batching"),
            f"{name!r} is no embedding model: only embedding requests are sent together.",
            "Take `batching` out, or write `kind: embedding` when it is one.",
        )


def _counters(limits: CounterSettings) -> Iterator[Problem]:
    if limits.store == "redis" and limits.redis_url is None:
        yield Problem(
            ("limits", "store"),
            "the shared counters have no address.",
            'Add `redis_url: "${REDIS_URL}"`, or count on this host: `store: host`.',
        )
