"""References to the environment: `${NAME}` and `${NAME:-default}` in values; secrets are nothing else.

Refuses to know which variables exist beyond the mapping it is given. Invariant: a secret's value is never
part of the document: it is collected apart, under the name of its variable.
"""

import re
from collections.abc import Mapping

from pilothouse.config.document import Document, Path, Value

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECRET = re.compile(r"\A\$\{([A-Za-z_][A-Za-z0-9_]*)\}\Z")
SECRET_KEYS = frozenset({"api_key", "password", "redis_url", "routing_key", "signing_secret", "webhook_url"})
"""Keys whose value must be one whole reference, and is kept as such."""
SECRET_MAPS: frozenset[Path] = frozenset({("telemetry", "export", "headers")})
"""Blocks of which every value must be such a reference."""
_EXAMPLES = {"redis_url": "REDIS_URL", "password": "MY_PASSWORD"}


class Problems:
    """Collects what is wrong, so that a person sees all of it at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[tuple[str, str]] = []

    def add(self, path: Path, message: str, hint: str) -> None:
        """Notes that what stands at `path` is wrong."""
        self.found.append((f"{self.document.at(path)}: {message}", hint))


def secret_name(reference: str) -> str | None:
    """Returns the variable that a whole reference `${NAME}` names, or `None` if it is not one."""
    match = _SECRET.match(reference)
    return match.group(1) if match else None


def resolve(document: Document, environment: Mapping[str, str], problems: Problems) -> dict[str, Value]:
    """Returns the document's values with references replaced, secrets left as references.

    Every unset variable without a default and every secret in clear is added to `problems`.
    """
    value = _resolve(document.value, (), environment, problems)
    assert isinstance(value, dict)
    return value


def _resolve(value: Value, path: Path, environment: Mapping[str, str], problems: Problems) -> Value:
    if isinstance(value, dict):
        return {key: _resolve(item, (*path, key), environment, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, (*path, index), environment, problems) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    if path and (path[-1] in SECRET_KEYS or path[:-1] in SECRET_MAPS):
        _check_secret(value, path, problems)
        return value
    return _REFERENCE.sub(lambda match: _substitute(match, path, environment, problems), value)


def _check_secret(value: str, path: Path, problems: Problems) -> None:
    if secret_name(value) is None:
        variable = _EXAMPLES.get(str(path[-1]), "MY_PROVIDER_KEY")
        problems.add(
            path,
            f"`{path[-1]}` must be a reference to an environment variable, never the secret itself.",
            f'Write `{path[-1]}: "${{{variable}}}"` and set {variable} where Pilothouse starts.',
        )


def _substitute(match: re.Match[str], path: Path, environment: Mapping[str, str], problems: Problems) -> str:
    name, default = match.group(1), match.group(2)
    found = environment.get(name)
    if found is not None:
        return found
    if default is not None:
        return str(default)
    problems.add(
        path,
        f"the environment variable {name} is not set.",
        f"Set {name}, or give a default: `${{{name}:-value}}`.",
    )
    return ""
