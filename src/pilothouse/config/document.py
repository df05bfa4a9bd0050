"""A YAML document as plain values, with the line of each, so that an error can point at it.

Refuses to know which keys exist. Invariant: only YAML's plain types come out; no tag can make an object.
"""

from dataclasses import dataclass, field

import yaml

from pilothouse.contracts.errors import ConfigurationError

_PLAIN_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
Path = tuple[str | int, ...]
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its values, and the line (from 1) on which each path stands."""

    name: str
    value: dict[str, Value]
    lines: dict[Path, int] = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """Returns `file:line` of `path`, or of its nearest parent that stands in the file."""
        while path not in self.lines and path:
            path = path[:-1]
        line = self.lines.get(path)
        return f"{self.name}:{line}" if line else self.name


def parse(text: str, name: str) -> Document:
    """Parses YAML text into a `Document`.

    Raises:
        ConfigurationError: The text is not YAML, its top level is not a mapping, or a key stands twice.
    """
    lines: dict[Path, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return Document(name, {}, lines)
        value = _plain(node, (), lines, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(
            f"{where}: this is not YAML: {problem}.",
            hint="Check the indentation and the quotes on that line and the one above.",
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{name}: the file must hold sections (`models:`, `gateway:` …), not a {type(value).__name__}.",
            hint="See docs/reference/settings.md for the sections.",
        )
    return Document(name, value, lines)


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> Value:
    line = node.start_mark.line + 1
    lines[path] = line
    if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
        raise ConfigurationError(
            f"{name}:{line}: the tag {node.tag} is not used here.", hint="Take it out; plain YAML is enough."
        )
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in mapping:
                raise ConfigurationError(
                    f"{name}:{line}: `{key}` stands twice in the same place.",
                    hint=f"Keep one of them; the first is on line {lines[(*path, key)]}.",
                )
            mapping[key] = _plain(value_node, (*path, key), lines, name)
            lines[(*path, key)] = line
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), lines, name) for index, item in enumerate(node.value)]
    return _scalar(node, name)


def _scalar(node: yaml.Node, name: str) -> Value:
    loader = yaml.SafeLoader("")
    try:
        value = loader.construct_object(node, deep=True)
    finally:
        loader.dispose()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if node.tag == "tag:yaml.org,2002:timestamp":
        return str(node.value)
    raise ConfigurationError(
        f"{name}:{node.start_mark.line + 1}: `{node.value}` is of a type that is not used here ({node.tag}).",
        hint="Put it in quotes if it is meant as text.",
    )
