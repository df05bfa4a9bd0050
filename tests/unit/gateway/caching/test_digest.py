"""A digest joins exactly the requests that deserve the same answer, and never two tenants."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.contracts.traffic import CacheScope
from pilothouse.gateway.caching.digest import (
    UNSAID,
    digest_of,
    meaning_of,
    read_document,
    scope_of,
    seed_of,
)

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say hello."}]}


def _digest(document: dict[str, Any], seed: bytes = b"key:a") -> bytes:
    read = read_document(json.dumps(document).encode(), is_shared=True)
    assert read is not None
    return digest_of(seed, read)


@pytest.mark.parametrize("name", UNSAID)
def test_what_does_not_change_the_answer_does_not_change_the_digest(name: str) -> None:
    assert _digest({**CHAT, name: "anything"}) == _digest(CHAT)


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.1},
        {"n": 2},
        {"seed": 1},
        {"max_tokens": 5},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "auto"},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"a_member_nobody_knows_yet": 1},
    ],
)
def test_whatever_else_there_is_changes_it(more: dict[str, Any]) -> None:
    assert _digest({**CHAT, **more}) != _digest(CHAT)


def test_order_and_spelling_of_the_json_do_not_matter() -> None:
    one = read_document(b'{"model":"m","messages":[{"role":"user","content":"\\u00e9"}]}', is_shared=True)
    other = read_document(
        '{ "messages": [ {"content":"é", "role":"user"} ], "model":"m" }'.encode(), is_shared=True
    )
    assert one is not None
    assert other is not None
    assert digest_of(b"s", one) == digest_of(b"s", other)


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_REQUESTS = st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name not in UNSAID), _JSON)
_SCOPES = st.tuples(st.sampled_from(("key", "team", "all")), st.text(max_size=8))


@settings(max_examples=40)
@given(_REQUESTS, _REQUESTS, _SCOPES, _SCOPES)
def test_digests_are_equal_only_for_equal_requests_of_one_scope(
    one: dict[str, Any], other: dict[str, Any], here: tuple[str, str], there: tuple[str, str]
) -> None:
    digests = [
        _digest(request, json.dumps(scope).encode()) for request, scope in ((one, here), (other, there))
    ]
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) and here == there
    assert (digests[0] == digests[1]) is is_same


_Caller = tuple[str | None, str | None, bool]
_CALLERS = st.tuples(
    st.sampled_from(("key_a", "key_b", "red", "", None)),
    st.sampled_from(("red", "key_a", "", None)),
    st.booleans(),
)


@given(st.sampled_from(("key", "team", "all")), _CALLERS, _CALLERS)
def test_nobody_shares_but_whom_the_policy_names(wide: CacheScope, one: _Caller, other: _Caller) -> None:
    def digest(caller: _Caller) -> bytes | None:
        key_id, team, is_recorded = caller
        scope = scope_of(wide, key_id=key_id, team=team, is_recorded=is_recorded)
        return (
            None if scope is None else digest_of(seed_of(b"route", scope, "openai", "chat", ""), dict(CHAT))
        )

    ours = digest(one)
    assert ours == digest(one)
    if ours is None or ours != digest(other):
        return
    is_same_key = one[0] is not None and one[0] == other[0]
    is_same_team = wide == "team" and one[1] is not None and one[1] == other[1]
    are_both_recorded = one[2] and other[2]
    assert is_same_key or (are_both_recorded and (is_same_team or wide == "all"))


@pytest.mark.parametrize(
    ("wide", "other"),
    [("key", ("k", None, True)), ("team", ("x", "red", True)), ("all", ("x", "blue", True))],
)
def test_whom_the_policy_names_shares(wide: CacheScope, other: _Caller) -> None:
    ours = scope_of(wide, key_id="k", team="red", is_recorded=True)
    assert ours == scope_of(wide, key_id=other[0], team=other[1], is_recorded=other[2])


def test_what_stands_together_in_a_seed_cannot_be_taken_apart_in_another_way() -> None:
    assert seed_of(b"r", ("key", "a"), "b", "c") != seed_of(b"r", ("key", "ab"), "", "c")
    assert seed_of(b"r", ("team", "x"), "y") != seed_of(b"r", ("key", "x"), "y")


@settings(max_examples=30)
@given(_REQUESTS, st.randoms())
def test_a_shuffled_request_has_the_same_digest(request: dict[str, Any], random: Any) -> None:
    names = list(request)
    random.shuffle(names)
    assert _digest({name: request[name] for name in names}) == _digest(request)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[1],"messages":[2]}',
        b'{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
        b"[]",
        b'{"model":',
        b'{"model":"\\ud800"}',
        b"[" * 3000,
    ],
)
def test_a_body_that_can_be_read_in_two_ways_or_none_is_not_cached(body: bytes) -> None:
    assert read_document(body, is_shared=True) is None


def _bucket(text: Any, *, seed: bytes = b"s", **more: Any) -> bytes | None:
    document = read_document(
        json.dumps({**CHAT, "messages": [{"role": "user", "content": text}], **more}).encode(),
        is_shared=False,
    )
    assert document is not None
    meaning = meaning_of(seed, document)
    return None if meaning is None else meaning.bucket


def test_other_words_fall_in_one_bucket() -> None:
    assert _bucket("How do I reset my password?") == _bucket("What must I do to reset a password?")
    assert _bucket("hello there") == _bucket([{"type": "text", "text": "hello you"}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2 + 2?", "What is 2 + 3?"),
        ("What is 7 - 2?", "What is 7 + 2?"),
        ("convert 5 to 7", "convert 7 to 5"),
        ("Is it safe to eat this?", "Is it not safe to eat this?"),
        ("What is the capital of France?", "What is the capital of Germany?"),
        ("fly from Paris to London", "fly from London to Paris"),
        ("give me two reasons", "give me three reasons"),
        ("Can I do it?", "Can\u2019t I do it?"),
        ("why don't they", "why do they"),
    ],
)
def test_numbers_names_and_negations_keep_requests_apart(one: str, other: str) -> None:
    assert _bucket(one) != _bucket(other)


def test_everything_else_keeps_requests_apart() -> None:
    assert _bucket("hello", temperature=1) != _bucket("hello")
    assert _bucket("hello", seed=b"t") != _bucket("hello")


@pytest.mark.parametrize(
    "content",
    ["", "  ", "x" * 501, None, 5, [], [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]],
)
def test_what_is_long_or_no_plain_text_has_no_meaning(content: Any) -> None:
    assert _bucket(content) is None


def test_a_picture_has_no_meaning_and_neither_has_a_tools_answer() -> None:
    assert _bucket([{"type": "image_url", "image_url": {"url": "x"}}]) is None
    assert meaning_of(b"s", {"messages": [{"role": "tool", "content": "x"}]}) is None
    assert meaning_of(b"s", {"messages": []}) is None
    assert meaning_of(b"s", {"prompt": "x"}) is None
