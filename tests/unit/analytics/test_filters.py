"""The filter language: reading, printing, pointing at mistakes, completing; and text is never SQL."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.analytics.filters.complete import complete
from pilothouse.analytics.filters.faults import FilterError
from pilothouse.analytics.filters.fields import FIELDS, field_of
from pilothouse.analytics.filters.lexer import MOST_CHARACTERS
from pilothouse.analytics.filters.parser import MOST_DEPTH, OPERATORS, parse_filter
from pilothouse.analytics.filters.printing import print_filter
from pilothouse.analytics.filters.sql import Conditions, Table
from pilothouse.analytics.filters.tree import Ago, And, Compare, Member, Node, Not, Or, Pattern, Value
from pilothouse.store.dialects.clickhouse import CLICKHOUSE
from pilothouse.store.dialects.duckdb import DUCKDB

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
TEXTS = st.text(max_size=20)
WORDS = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
PATTERNS = (
    st.from_regex(r"[a-z0-9 ./]{1,10}", fullmatch=True).filter(lambda text: bool(text.strip())).map(Pattern)
)


def values_of(name: str) -> st.SearchStrategy[Any]:
    field = field_of(name)
    assert field is not None
    if field.choices:
        return st.sampled_from(field.choices)
    by_kind: dict[str, st.SearchStrategy[Any]] = {
        "number": NUMBERS,
        "score": NUMBERS,
        "boolean": st.booleans(),
        "time": st.one_of(
            st.integers(0, 4_000_000_000_000).map(float),
            st.integers(0, 10**10).map(lambda ms: Ago(float(ms))),
        ),
        "content": st.one_of(WORDS, PATTERNS),
    }
    return by_kind.get(field.kind, TEXTS)


@st.composite
def leaves(draw: st.DrawFn) -> Node:
    name = draw(st.sampled_from([*FIELDS, "score.quality", "score.a-b"]))
    field = field_of(name)
    assert field is not None
    operator = draw(st.sampled_from(OPERATORS[field.kind]))
    if operator == "in":
        return Member(name, tuple(draw(st.lists(values_of(name), min_size=1, max_size=4))))
    value: Value = draw(values_of(name))
    if operator in {"~", "!~"} and field.kind == "text":
        value = draw(st.one_of(TEXTS, PATTERNS))
    return Compare(name, operator, value)  # type: ignore[arg-type]  # one of the operators


TREES = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_a_printed_tree_reads_as_the_same_tree(tree: Node) -> None:
    text = print_filter(tree)
    if len(text) <= MOST_CHARACTERS:
        assert parse_filter(text) == tree


FRAGMENTS = st.sampled_from(
    ["model", "latency_ms", "=", "!=", "~", ">", "(", ")", ",", "in", "not", "and", "or", '"', "'", "/", "\\",
     "500ms", "$0.01", "true", " ", "score.", "text", "--", ";", "time", "-15m", "\0", "é", "\n", "%"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=25).map("".join)))
def test_any_text_is_a_tree_or_an_error_that_points_into_it(text: str) -> None:
    tree, error = None, None
    try:
        tree = parse_filter(text)
    except FilterError as caught:
        error = caught
    if error is not None:
        assert 1 <= error.position <= len(text) + 1
        assert error.message
        assert error.hint
    else:
        assert tree is None or parse_filter(print_filter(tree)) == tree


@settings(max_examples=200, deadline=None)
@given(TREES, st.sampled_from(["calls", "spans"]))
def test_what_was_typed_is_in_parameters_only(tree: Node, table: Table) -> None:
    for dialect in (DUCKDB, CLICKHOUSE):
        conditions = Conditions(dialect, {"key_1": "web"}, 1_790_000_000_000)
        sql = conditions.where(tree, table)
        # Our own literals apart, nothing in quotes: no text of the filter stands in the SQL.
        assert set(re.findall(r"'([^']*)'", sql)) <= OWN_LITERALS
        assert set(re.findall(r"\$(\w+)", sql)) <= conditions.parameters.keys()
        assert re.fullmatch(r"[\w\s().,=<>!+$'|*-]*", sql), sql


OWN_LITERALS = {
    "failed", "cut", "embeddings", "llm", "error", "completed", "feedback", "thumbs", "stars",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("modle = x", 1, "did you mean model?"),
        ("model = x and latncy_ms > 5", 15, "did you mean latency_ms?"),
        ("latency_ms > fast", 14, "500ms"),
        ("cost_usd > 5s", 12, "$0.01"),
        ("model < 3", 7, "= != ~ !~ in"),
        ('model = "x', 9, "close it"),
        ("(model = x", 1, "close it"),
        ("model = x)", 10, "take it out"),
        ("model = x and", 14, "write a comparison"),
        ("and model = x", 1, "quote it"),
        ("model in x", 10, 'in ("a", "b")'),
        ("model in (x, )", 14, "model"),
        ("outcome = complete", 11, "did you mean completed?"),
        ("stream = maybe", 10, "true or false"),
        ("time > yesterday", 8, "-15m"),
        ("()", 2, "between them"),
        ("model ! x", 7, "operators are"),
        ('text ~ ""', 8, "word"),
        ("status = /5../", 10, "quotes"),
    ],
)
def test_a_mistake_is_pointed_at_with_a_hint(text: str, column: int, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert (caught.value.position, words in (caught.value.hint or "")) == (column, True), caught.value.hint
    body = caught.value.body().error
    assert (body.code, body.param) == ("invalid_filter", "filter")


def test_values_are_read_in_their_units() -> None:
    read = {
        "latency_ms > 2s": 2000.0,
        "latency_ms > 1.5m": 90_000.0,
        "latency_ms > 500": 500.0,
        "cost_usd > $0.01": 0.01,
        "cost_usd > 2c": 0.02,
        "tokens > 4k": 4000.0,
        "score.quality > 80%": 0.8,
        "time > 2026-11-22T10:00": 1_795_341_600_000.0,
        "time > 2026-11-22T10:00+01:00": 1_795_338_000_000.0,
        "time > -15m": Ago(900_000.0),
        "stream = yes": True,
    }
    for text, value in read.items():
        tree = parse_filter(text)
        assert isinstance(tree, Compare)
        assert tree.value == pytest.approx(value) if isinstance(value, float) else tree.value == value


def test_words_alone_look_in_the_text_and_stand_side_by_side() -> None:
    assert parse_filter('refund "gift card"') == And(
        (Compare("text", "~", "refund"), Compare("text", "~", "gift card"))
    )
    assert parse_filter("/re+fund/") == Compare("text", "~", Pattern("re+fund"))
    assert parse_filter("a or b and c") == Or(
        (
            Compare("text", "~", "a"),
            And((Compare("text", "~", "b"), Compare("text", "~", "c"))),
        )
    )
    assert parse_filter("  ") is None


def test_length_depth_and_size_are_bounded() -> None:
    for text in (
        "a" * (MOST_CHARACTERS + 1),
        "(" * (MOST_DEPTH + 1) + "a" + ")" * (MOST_DEPTH + 1),
        "not " * (MOST_DEPTH + 1) + "a",
        " ".join("a" for _ in range(65)),
        f"status in ({', '.join('1' for _ in range(200))})",
    ):
        with pytest.raises(FilterError):
            parse_filter(text)


def proposed(text: str, at: int | None = None) -> list[str]:
    def values(field: str) -> list[str]:
        return {"model": ["gpt-4o", "claude x", "and"]}.get(field, [])

    return [one.text for one in complete(text, len(text) if at is None else at, values).data]


def test_what_may_come_next_is_proposed() -> None:
    assert proposed("mod")[:2] == ["model", "model_answered"]
    assert proposed("model ") == ["=", "!=", "~", "!~", "in"]
    assert proposed("latency_ms >") == []
    assert proposed("model = ") == ["gpt-4o", '"claude x"', '"and"']
    assert proposed("model = cl") == ['"claude x"']
    assert proposed('model = "gp') == ["gpt-4o"]
    assert proposed("model in (gpt-4o, cl") == ['"claude x"']
    assert proposed("outcome = fa") == ["failed"]
    assert proposed("stream = ") == ["true", "false"]
    assert proposed("model = x an")[0] == "and"
    assert "and" not in proposed("an")
    assert proposed("model = x and lat") == ["latency_ms"]
    assert proposed("mod = x", at=3)[0] == "model"


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS, max_size=15).map("".join), st.integers(-5, 200))
def test_any_text_can_be_completed(text: str, at: int) -> None:
    found = complete(text, at, lambda _: ["a b", 'c"d'])
    assert 0 <= found.start <= found.end <= len(text)
