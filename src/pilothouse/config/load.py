"""Loads the configuration: the file, the environment and the command line's flags, in rising precedence.

Refuses to know what a setting does. Invariant: a `Configuration` that is returned converts, in each part, to
the settings of the package that owns the part.
"""

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec

from pilothouse.config.check import check
from pilothouse.config.document import Document, Value, parse
from pilothouse.config.references import Problems, resolve
from pilothouse.config.sections import Configuration
from pilothouse.contracts.errors import ConfigurationError

VARIABLES = {
    "host": "PILOTHOUSE_HOST",
    "port": "PILOTHOUSE_PORT",
    "workers": "PILOTHOUSE_WORKERS",
}
"""Settings of the `gateway:` section that an environment variable (and a flag) may set."""


class Loaded(msgspec.Struct, frozen=True):
    """A configuration with where it came from."""

    configuration: Configuration
    document: Document
    overrides: dict[str, str]
    """Settings set by a flag or a variable: dotted setting name to where it came from."""


def load(
    file: str | None, environment: Mapping[str, str], flags: Mapping[str, int | str | None] | None = None
) -> Loaded:
    """Reads the configuration file, if one is named, and what goes before it.

    Args:
        file: Path of the YAML file; `None` takes all defaults.
        environment: The process's environment.
        flags: `host`, `port`, `workers` as given on the command line; `None` where not given.

    Raises:
        ConfigurationError: With every mistake in the file, each with its line and a remedy.
    """
    document = _read(file) if file else Document("defaults", {})
    problems = Problems(document)
    values = resolve(document, environment, problems)
    overrides = _override(values, environment, flags or {})
    check(values, Configuration, (), problems)
    raise_for(problems)
    try:
        configuration = msgspec.convert(values, Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{document.name}: {error}.") from error
    return Loaded(configuration, document, overrides)


def raise_for(problems: Problems) -> None:
    """Raises what was found, if anything was.

    Raises:
        ConfigurationError: One message with a line for each problem.
    """
    if not problems.found:
        return
    if len(problems.found) == 1:
        message, hint = problems.found[0]
        raise ConfigurationError(message, hint=hint)
    lines = [f"{message} {hint}" for message, hint in problems.found]
    raise ConfigurationError("\n".join([f"{len(lines)} mistakes in the configuration:", *lines]))


def _read(file: str) -> Document:
    try:
        text = FilePath(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not UTF-8 text"
        )
        raise ConfigurationError(
            f"The configuration file {file} cannot be read: {reason}.",
            hint="Check the path after --config or in PILOTHOUSE_CONFIG.",
        ) from error
    return parse(text, file)


def _override(
    values: dict[str, Value], environment: Mapping[str, str], flags: Mapping[str, int | str | None]
) -> dict[str, str]:
    """Puts flags and variables over the `gateway:` section of `values`; returns where each came from."""
    overrides: dict[str, str] = {}
    gateway: Any = values.setdefault("gateway", {})
    if not isinstance(gateway, dict):
        return overrides
    for name, variable in VARIABLES.items():
        flag, variable_value = flags.get(name), environment.get(variable)
        if flag is not None:
            gateway[name] = flag
            overrides[f"gateway.{name}"] = f"--{name}"
        elif variable_value:
            gateway[name] = _typed(name, variable, variable_value)
            overrides[f"gateway.{name}"] = variable
    return overrides


def _typed(name: str, variable: str, text: str) -> int | str:
    if name == "host":
        return text
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(
            f"{variable} must be a whole number, not {text!r}.",
            hint=f"Unset it, or set it like {variable}=8080.",
        ) from None
