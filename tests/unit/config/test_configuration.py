"""The configuration's reading: lines, suggestions, references, secrets."""

from contextlib import suppress
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.config.check import check
from pilothouse.config.document import Document, parse
from pilothouse.config.references import Problems, resolve
from pilothouse.contracts.errors import ConfigurationError


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    api_key: str | None = None


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gateway: Inner = Inner()
    models: dict[str, Inner] | None = None
    names: tuple[str, ...] = ()
    either: tuple[str, ...] | Inner = ()
    way: Literal["weighted", "sticky"] = "weighted"
    share: float = 1.0


def problems_of(text: str, environment: dict[str, str] | None = None) -> list[tuple[str, str]]:
    document = parse(text, "pilot.yaml")
    problems = Problems(document)
    check(resolve(document, environment or {}, problems), Outer, (), problems)
    return problems.found


def test_unknown_key_names_line_and_neighbour() -> None:
    [(message, hint)] = problems_of("gateway:\n  prot: 80\n")
    assert message == "pilot.yaml:2: there is no setting `gateway.prot`."
    assert hint == "Did you mean `port`?"


def test_unknown_key_below_a_free_name_is_found() -> None:
    [(message, _)] = problems_of("models:\n  mine:\n    port: 1\n    wrong_thing: 2\n")
    assert message.startswith("pilot.yaml:4: there is no setting `models.mine.wrong_thing`")


def test_all_mistakes_are_reported_together() -> None:
    found = problems_of("gateway:\n  port: many\nnames: 7\n")
    assert [message.split(":")[1] for message, _ in found] == ["2", "3"]


def test_value_out_of_bounds_says_the_bounds() -> None:
    [(message, hint)] = problems_of("gateway: {port: 99999}\n")
    assert "`gateway.port` is wrong" in message
    assert hint == "It is a whole number (at least 0, at most 65535)."


def test_what_may_be_a_list_or_a_block_is_checked_as_what_was_typed() -> None:
    assert problems_of("either: [a]\n") == problems_of("either: {port: 1}\n") == []
    [(message, hint)] = problems_of("either:\n  prot: 1\n")
    assert (message, hint) == ("pilot.yaml:2: there is no setting `either.prot`.", "Did you mean `port`?")
    [(message, _)] = problems_of("either:\n  - a\n  - 7\n")
    assert message.startswith("pilot.yaml:3: `either[1]` is wrong")
    [(_, hint)] = problems_of("either: 7\n")
    assert (
        hint
        == "It is a list (`- item` lines, or `[a, b]`) or a block of settings (`key: value` lines, indented)."
    )


def test_a_word_that_is_nearly_right_is_suggested() -> None:
    [(message, hint)] = problems_of("way: weigted\n")
    assert message.startswith("pilot.yaml:1: `way` is wrong")
    assert hint == "Did you mean `weighted`? It is one of `weighted`, `sticky`."


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_no_setting_is_endless(value: str) -> None:
    [(message, _)] = problems_of(f"share: {value}\n")
    assert "no number to count with" in message


def test_empty_block_is_an_error_that_says_what_is_wanted() -> None:
    [(message, hint)] = problems_of("gateway:\n")
    assert "pilot.yaml:1" in message
    assert "block of settings" in hint


def test_secret_in_clear_is_refused_and_not_repeated() -> None:
    [(message, hint)] = problems_of("gateway: {api_key: sk-very-secret}\n")
    assert "sk-very-secret" not in message + hint
    assert "reference" in message


def test_secret_reference_is_kept_as_it_is() -> None:
    document = parse("gateway: {api_key: '${MY_KEY}'}", "f")
    values = resolve(document, {"MY_KEY": "hidden"}, Problems(document))
    assert values == {"gateway": {"api_key": "${MY_KEY}"}}


def test_reference_takes_variable_default_or_fails() -> None:
    document = parse("names: ['${A}', 'x${B:-y}z', '${C}']", "f")
    problems = Problems(document)
    assert resolve(document, {"A": "1"}, problems)["names"] == ["1", "xyz", ""]
    assert [message for message, _ in problems.found] == ["f:1: the environment variable C is not set."]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\na: 2\n", "f:2: `a` stands twice"),
        ("a: [1\n", "this is not YAML"),
        ("- a\n", "must hold sections"),
        ("a: !!python/object/apply:os.system [x]\n", "f:1: the tag"),
        ("a: !!binary aGk=\n", "is of a type"),
    ],
)
def test_what_is_not_a_plain_mapping_is_refused(text: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part.replace("[", r"\[")):
        parse(text, "f")


def test_an_empty_file_is_a_document() -> None:
    assert parse("# nothing\n", "f") == Document("f", {}, {})


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_a_document_or_our_error(text: str) -> None:
    with suppress(ConfigurationError):
        assert isinstance(parse(text, "f").value, dict)
