"""Each mistake about steering, limits and caches is found, with its place and a remedy."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pilothouse.registry.catalogue import BUNDLE as REAL
from pilothouse.rollout.check import problems
from pilothouse.rollout.problem import Problem
from pilothouse.rollout.settings import RolloutSettings

BUNDLE = {
    "small": replace(REAL["smollm2-135m-instruct"], name="small"),
    "embed": replace(REAL["all-minilm-l6-v2"], name="embed"),
}
OPENAI = [{"provider": "openai"}]


def found(**sections: Any) -> list[Problem]:
    return list(problems(msgspec.convert(sections, RolloutSettings), BUNDLE))


def only(model: dict[str, Any] | None = None, **sections: Any) -> Problem:
    if model is not None:
        sections["models"] = {"a": {"deployments": OPENAI} | model, "small": {}, "embed": {}}
    (problem,) = found(**sections)
    return problem


@pytest.mark.parametrize("fallback", ["smal", "openai/gpt-4o"])
@pytest.mark.parametrize("kind", [None, "outage", "content_filter"])
def test_a_fallback_that_is_no_model(fallback: str, kind: str | None) -> None:
    problem = only({"fallback": [fallback] if kind is None else {kind: [fallback]}})
    assert problem.place == ("models", "a", "fallback", *((kind,) if kind else ()), 0)
    assert "not a model of this file" in problem.message
    assert problem.hint == ("Did you mean 'small'?" if fallback == "smal" else problem.hint)


def test_a_fallback_of_another_kind() -> None:
    assert "another kind" in only(models={"small": {"fallback": ["embed"]}, "embed": {}}).message


def test_a_model_that_stands_in_for_itself() -> None:
    assert only({"fallback": ["a"]}).message == "the fallbacks go in a circle: a → a."


def test_a_circle_over_others_and_over_kinds_of_failure_is_named_once() -> None:
    models = {
        "x": {"deployments": OPENAI, "fallback": {"outage": ["y"]}},
        "y": {"deployments": OPENAI, "fallback": ["z"]},
        "z": {"deployments": OPENAI, "fallback": {"rate_limit": ["x"]}},
    }
    problem = only(models=models)
    assert problem.message == "the fallbacks go in a circle: x → y → z → x."
    assert problem.place == ("models", "z", "fallback", "rate_limit", 0)
    assert problem.hint == "Take 'x' out of the fallbacks of 'z'."


def reaches(start: str, goal: str, edges: dict[str, list[str]]) -> bool:
    seen, left = set(), list(edges[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += edges[name]
    return goal in seen


@given(
    st.fixed_dictionaries(
        {name: st.lists(st.sampled_from("pqrst"), max_size=3, unique=True) for name in "pqrst"}
    )
)
def test_a_circle_is_found_exactly_when_there_is_one(edges: dict[str, list[str]]) -> None:
    models = {name: {"deployments": OPENAI, "fallback": others} for name, others in edges.items()}
    is_circular = any(reaches(name, name, edges) for name in edges)
    assert bool(found(models=models)) == is_circular


def test_cheapest_without_a_time_to_keep() -> None:
    problem = only({"routing": {"strategy": "cheapest"}})
    assert problem.place == ("models", "a", "routing", "strategy")
    assert "latency_objective_ms" in problem.hint


def test_a_time_to_keep_that_nobody_asks_for() -> None:
    assert "says nothing" in only({"routing": {"latency_objective_ms": 5}}).message


@pytest.mark.parametrize(
    ("block", "setting"),
    [({"retries": {"base_ms": 9, "cap_ms": 8}}, "cap_ms"), ({"breaker": {"open_ms": 9000}}, "max_open_ms")],
)
def test_a_longest_time_below_the_first(block: dict[str, Any], setting: str) -> None:
    problem = only({"routing": block})
    assert problem.place[-1] == setting
    assert "is below" in problem.message


@pytest.mark.parametrize(
    ("shadow", "said"),
    [("a", "a shadow of itself"), ("smal", "not a model of this file"), ("embed", "another kind")],
)
def test_a_shadow_that_shows_nothing(shadow: str, said: str) -> None:
    problem = only({"routing": {"shadows": [{"model": shadow}]}})
    assert said in problem.message
    assert problem.place == ("models", "a", "routing", "shadows", 0, "model")


def experiment(*arms: tuple[str, int], deployments: list[dict[str, Any]]) -> dict[str, Any]:
    typed = [{"name": name, "weight": weight} for name, weight in arms]
    standing = [{"provider": "openai"} | deployment for deployment in deployments]
    return {"deployments": standing, "routing": {"experiment": {"name": "e", "arms": typed}}}


BOTH = [{"arm": "x"}, {"arm": "y"}]


def test_a_right_experiment() -> None:
    assert found(models={"a": experiment(("x", 1), ("y", 0), deployments=BOTH)}) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (experiment(("x", 1), deployments=[{"arm": "x"}]), "compares nothing"),
        (experiment(("x", 0), ("y", 0), deployments=BOTH), "sum to zero"),
        (experiment(("x", 1), ("y", 1), deployments=[{"arm": "x"}]), "no deployment stands in it"),
        (
            experiment(("x", 1), ("y", 1), deployments=[{"arm": "x"}, {"arm": "y", "weight": 0}]),
            "its deployments have weight 0",
        ),
        (experiment(("x", 1), ("y", 1), ("x", 1), deployments=BOTH), "stands twice"),
        (experiment(("x", 1), ("y", 1), deployments=[*BOTH, {"arm": "z"}]), "there is no arm 'z'"),
        ({"deployments": [{"provider": "openai", "arm": "x"}]}, "there is no arm 'x'"),
    ],
)
def test_an_experiment_that_cannot_be_run(model: dict[str, Any], said: str) -> None:
    assert said in only(models={"a": model}).message


@pytest.mark.parametrize(
    ("embedder", "said"), [("small", "not an embedding model"), ("embedd", "not a model of this file")]
)
def test_a_semantic_cache_is_judged_by_an_embedding_model(embedder: str, said: str) -> None:
    problem = only({"cache": {"semantic": True, "embedder": embedder}})
    assert said in problem.message
    assert problem.hint == "There is: embed."


def test_only_chat_has_a_meaning_and_only_embeddings_go_together() -> None:
    assert only(models={"embed": {"cache": {"semantic": True}}}).place[-1] == "semantic"
    assert only({"batching": {}}).place == ("models", "a", "batching")


def test_shared_counters_without_an_address() -> None:
    assert only(limits={"store": "redis"}).place == ("limits", "store")


@pytest.mark.parametrize(
    "sections",
    [
        {"teams": {"t": {"limits": {"budget_day_usd": -1}}}},
        {"models": {"small": {"limits": {"requests_per_minute": 0}}}},
        {"models": {"small": {"limits": {"concurrency": -1}}}},
        {"models": {"small": {"routing": {"strategy": "fastest"}}}},
        {"models": {"small": {"routing": {"shadows": [{"model": "x", "share": 1.5}]}}}},
        {"admission": {"in_flight": 0}},
        {"limits": {"store": "redis", "redis_url": "redis://:secret@host"}},
    ],
)
def test_what_no_value_can_be_is_refused_when_it_is_read(sections: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        found(**sections)
