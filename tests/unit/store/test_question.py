"""A question's parameters: those its text names, and no others."""

import pytest

from pilothouse.store.dialects.clickhouse import CLICKHOUSE
from pilothouse.store.dialects.duckdb import DUCKDB
from pilothouse.store.dialects.reader import Question


def test_only_the_parameters_that_the_text_names_are_given() -> None:
    question = Question("x", "SELECT $a + $a WHERE b LIKE '^c$'", {"a": 1, "unused": 2})
    assert question.given() == {"a": 1}


def test_a_parameter_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Question("x", "SELECT $a", {}).given()


def test_a_quote_in_a_key_of_json_stays_inside_its_literal() -> None:
    assert "'$.\"it''s\"'" in DUCKDB.json_text("attributes", "it's")
    assert r"'it\'s'" in CLICKHOUSE.json_text("attributes", "it's")
