"""What contradicts itself in the `alerts:` and `receivers:` sections, each with its place.

Refuses to know how alerts are judged and sent. Invariant: what passes can be judged and sent.
"""

from collections.abc import Iterator

from pilothouse.config.document import Path
from pilothouse.config.sections import Configuration
from pilothouse.monitors.alerts.rules import problems as rule_problems
from pilothouse.monitors.alerts.sources import known_measures
from pilothouse.monitors.delivery.references import problems as receiver_problems
from pilothouse.monitors.delivery.references import variables

__all__ = ["alerting_problems", "receiver_secrets"]


def alerting_problems(configuration: Configuration) -> Iterator[tuple[Path, str, str]]:
    """Yields each mistake: its place, what is wrong, what to do."""
    receivers, measures = list(configuration.receivers), known_measures()
    for name, settings in configuration.receivers.items():
        for setting, message, hint in receiver_problems(settings):
            yield ("receivers", name, setting), f"{message}.", hint
    for name, rule in configuration.alerts.rules.items():
        for setting, message, hint in rule_problems(rule, measures=measures, receivers=receivers):
            yield ("alerts", "rules", name, setting), f"the rule `{name}`: {message}.", hint
    for index, name in enumerate(configuration.alerts.receivers):
        if name not in receivers:
            yield ("alerts", "receivers", index), f"there is no receiver `{name}`.", "Add it to `receivers:`."


def receiver_secrets(configuration: Configuration) -> dict[tuple[str, ...], str]:
    """Returns the variable that each secret of a receiver refers to, by its place in the file."""
    return {
        ("receivers", name, setting): variable
        for name, settings in configuration.receivers.items()
        for setting, variable in variables(settings).items()
    }
