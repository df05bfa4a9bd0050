"""What the configuration means as a whole: contradictions in it, and the secrets it needs.

Refuses to know how anything is served. Invariant: what passes can be built into a snapshot.
"""

from collections.abc import Mapping

from pilothouse.config.alerting import alerting_problems, receiver_secrets
from pilothouse.config.load import Loaded, raise_for
from pilothouse.config.measuring import measuring_problems
from pilothouse.config.references import Problems, secret_name
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.rollout.check import problems
from pilothouse.rollout.providers import CATALOGUE
from pilothouse.rollout.settings import counters_variable, referenced_secrets
from pilothouse.rollout.traffic import COUNTERS_SECRET


def check_plan(loaded: Loaded, environment: Mapping[str, str]) -> None:
    """Checks what single values cannot show: unknown providers, empty routes, missing secrets.

    Raises:
        ConfigurationError: With every problem, each with its line and a remedy.
    """
    found = Problems(loaded.document)
    rollout = loaded.configuration.rollout
    for problem in problems(rollout, BUNDLE):
        found.add(problem.place, problem.message, problem.hint)
    for provider, variable in referenced_secrets(rollout).items():
        if variable not in environment:
            message = f"the environment variable {variable} is not set."
            found.add(("providers", provider, "api_key"), message, f"Set it, or remove `{provider}`.")
    address = counters_variable(rollout)
    if address is not None and address not in environment:
        message = f"the environment variable {address} is not set."
        found.add(("limits", "redis_url"), message, f"Set {address}, or count on this host: `store: host`.")
    for place, variable in _own_references(loaded).items():
        if variable not in environment:
            found.add(place, f"the environment variable {variable} is not set.", f"Set {variable}.")
    for where, message, hint in (
        *alerting_problems(loaded.configuration),
        *measuring_problems(loaded.configuration),
    ):
        found.add(where, message, hint)
    raise_for(found)


def secrets_of(loaded: Loaded, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the secrets that gateways are handed.

    These are the providers' API keys that are set, by the name of their variable, and the address of the
    shared counters as `counters`.
    """
    rollout = loaded.configuration.rollout
    names = {vendor.key for vendor in CATALOGUE.values() if vendor.key}
    names.update(referenced_secrets(rollout).values())
    secrets = {name: environment[name] for name in sorted(names) if environment.get(name)}
    variable = counters_variable(rollout)
    if variable is not None and variable in environment:
        secrets[COUNTERS_SECRET] = environment[variable]
    return secrets


def control_secrets_of(loaded: Loaded, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the secrets that the control process itself needs, by the name of their variable."""
    names = _own_references(loaded).values()
    return {name: environment[name] for name in names if name in environment}


def _own_references(loaded: Loaded) -> dict[tuple[str, ...], str]:
    """Returns the variable that each secret of the control process refers to, by its place in the file."""
    configuration = loaded.configuration
    given: dict[tuple[str, ...], str | None] = {
        ("state", "password"): configuration.state.password,
        ("analytics", "password"): configuration.analytics.password,
    }
    for header, reference in configuration.telemetry.export.headers.items():
        given["telemetry", "export", "headers", header] = reference
    named = {place: secret_name(reference) for place, reference in given.items() if reference is not None}
    own = {place: name for place, name in named.items() if name is not None}
    return own | receiver_secrets(configuration)
