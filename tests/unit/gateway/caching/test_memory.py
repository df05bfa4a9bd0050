"""Memory is bounded, time ends every answer, and what is let go is gone from everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.caching.memory import ENTRY_BYTES, Answers, Entry


def _entry(
    name: bytes, size: int = 100, *, subject: str = "ann", at: float = 0.0, ttl: float = 10.0
) -> Entry:
    return Entry(name, b"x" * size, subject=subject, price=None, created_s=at, ttl_s=ttl)


def _answers(most: int = 10_000) -> tuple[Answers, list[bytes]]:
    gone: list[bytes] = []
    return Answers(most, lambda entry: gone.append(entry.digest)), gone


def test_an_answer_is_found_until_its_time_comes() -> None:
    answers, gone = _answers()
    assert answers.put(_entry(b"a"), 0.0)
    found = answers.find(b"a", 9.9)
    assert found is not None
    assert found.body == b"x" * 100
    assert answers.find(b"a", 10.0) is None
    assert gone == [b"a"]
    assert (len(answers), answers.held_bytes) == (0, 0)


def test_the_least_recently_used_makes_room() -> None:
    answers, gone = _answers(3 * (100 + ENTRY_BYTES))
    for name in (b"a", b"b", b"c"):
        answers.put(_entry(name), 0.0)
    answers.find(b"a", 1.0)
    answers.put(_entry(b"d"), 1.0)
    assert gone == [b"b"]
    assert answers.find(b"a", 1.0) is not None


def test_what_is_larger_than_the_bound_is_not_kept() -> None:
    answers, gone = _answers(1_000)
    assert not answers.put(_entry(b"a", 1_000), 0.0)
    assert (len(answers), gone) == (0, [])


def test_a_new_answer_takes_the_place_of_the_old() -> None:
    answers, _ = _answers()
    answers.put(_entry(b"a", 100), 0.0)
    answers.put(_entry(b"a", 300, at=5.0), 5.0)
    assert answers.held_bytes == 300 + ENTRY_BYTES
    answers.expire(12.0)
    assert answers.find(b"a", 12.0) is not None


def test_a_person_is_forgotten() -> None:
    answers, gone = _answers()
    answers.put(_entry(b"a", subject="ann"), 0.0)
    answers.put(_entry(b"b", subject="bob"), 0.0)
    assert answers.forget(frozenset(("ann",))) == 1
    assert gone == [b"a"]
    assert answers.find(b"b", 1.0) is not None


def test_events_are_kept_where_there_is_room() -> None:
    body = b'{"object":"chat.completion","choices":[{"index":0,"message":{"content":"hello"}}]}'
    for most, is_kept in ((10_000, True), (len(body) + ENTRY_BYTES, False)):
        answers, _ = _answers(most)
        entry = Entry(b"a", body, subject=None, price=None, created_s=0.0, ttl_s=10.0)
        answers.put(entry, 0.0)
        answers.spell(entry)
        assert bool(entry.events) is is_kept
        assert answers.held_bytes == entry.size == len(body) + ENTRY_BYTES + len(entry.events)


_STEPS = st.lists(
    st.tuples(st.sampled_from(("put", "find", "forget", "expire")), st.integers(0, 9), st.integers(0, 3000)),
    max_size=60,
)


@given(_STEPS)
def test_the_books_always_agree(steps: list[tuple[str, int, int]]) -> None:
    answers, _ = _answers(6_000)
    for now, (step, name, size) in enumerate(steps):
        if step == "put":
            answers.put(_entry(b"%d" % name, size, subject=str(name), at=now), now)
        elif step == "find":
            found = answers.find(b"%d" % name, now)
            assert found is None or (found.is_kept and found.expires_s > now)
        elif step == "forget":
            answers.forget(frozenset((str(name),)))
        else:
            answers.expire(now)
        held = list(answers._entries.values())
        assert answers.held_bytes == sum(entry.size for entry in held) <= 6_000
        assert all(entry.is_kept and entry.body is not None for entry in held)
