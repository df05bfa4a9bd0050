"""Models are shown with what is served now and what was done, joined by deployment."""

from dataclasses import replace

import pytest

from pilothouse.analytics.deployments import DeploymentNumbers
from pilothouse.analytics.routes import DeploymentState, Served, models_of

SERVED = Served(
    id="a/openai-0", model="a", kind="chat", provider="openai", upstream_model="gpt", weight=3, slots=4
)


def test_a_deployment_without_calls_has_no_rates() -> None:
    (model,) = models_of([SERVED], {})
    (deployment,) = model.deployments
    assert (model.model, deployment.weight, deployment.slots) == ("a", 3, 4)
    assert (deployment.requests, deployment.error_rate, deployment.cost_usd) == (0, None, None)


def test_numbers_go_to_their_deployment() -> None:
    second = replace(SERVED, id="a/openai-1")
    (model,) = models_of([SERVED, second], {"a/openai-1": DeploymentNumbers("a/openai-1", requests=5)})
    assert [deployment.requests for deployment in model.deployments] == [0, 5]


def test_what_only_the_record_knows_comes_last_under_its_own_name() -> None:
    numbers = {name: DeploymentNumbers(name, requests=1) for name in ("openai/gpt-5", "a/openai-0")}
    models = models_of([SERVED], numbers)
    assert [model.model for model in models] == ["a", "openai/gpt-5"]
    (unlisted,) = models[1].deployments
    assert (unlisted.provider, unlisted.upstream_model, unlisted.weight) == ("openai", "gpt-5", 0)


@pytest.mark.parametrize(
    ("state", "requests", "errors", "shown"),
    [
        ("unknown", 0, 0, "unknown"),
        ("unknown", 2, 1, "ready"),
        ("unknown", 2, 2, "failed"),
        ("restarting", 2, 0, "restarting"),
        ("ready", 2, 2, "ready"),
    ],
)
def test_a_provider_is_known_by_its_answers_and_an_engine_by_its_process(
    state: DeploymentState, requests: int, errors: int, shown: DeploymentState
) -> None:
    numbers = {SERVED.id: DeploymentNumbers(SERVED.id, requests=requests, errors=errors)}
    (model,) = models_of([replace(SERVED, state=state)], numbers)
    assert model.deployments[0].state == shown
