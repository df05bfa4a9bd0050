"""The words' part in joining questions, held to the pairs that the documented figures were taken with."""

from semantic_pairs import OTHER, SAME, UNSEEN_OTHER, UNSEEN_SAME

from pilothouse.gateway.caching.words import is_reworded, marks_of


def _joined(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in pairs if marks_of(a) == marks_of(b) and is_reworded(a, b)]


def test_the_words_alone_keep_nearly_all_others_apart() -> None:
    left = _joined(OTHER + UNSEEN_OTHER)
    assert len(left) <= 8
    assert all(len(one.split()) != len(other.split()) for one, other in left), (
        "only a word more is let through"
    )


def test_the_words_let_rewordings_through() -> None:
    assert len(_joined(SAME)) >= 27
    assert len(_joined(UNSEEN_SAME)) >= 17


def test_no_pair_stands_twice() -> None:
    texts = [frozenset(pair) for pair in SAME + OTHER + UNSEEN_SAME + UNSEEN_OTHER]
    assert len(texts) == len(set(texts))
