"""Words keep apart what an embedding cannot, and let other words for the same through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.caching.words import is_reworded, marks_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "How can I reset a password, please?"),
        ("how do vaccines work", "How does a vaccine work?"),
        ("What are the symptoms of flu?", "Tell me symptoms of the flu."),
        ("Where is the settings menu?", "Where can I find the settings menu?"),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert is_reworded(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("weather in paris today", "weather in paris tomorrow"),
        ("flights from rome to oslo", "flights from oslo to rome"),
        ("arguments for it", "arguments against it"),
        ("is the store open", "is the store closed"),
        ("how do I lock my card", "how do I unlock my card"),
        ("when was it built", "where was it built"),
        ("should I sell", "can I buy"),
        ("what is my name", "what is your name"),
        ("what do i call you", "what do you call me"),
        (
            "My parcel came late and the box was open, so do I get a refund from your shop?",
            "My parcel came late and the box was open, so do I get a full refund from your shop?",
        ),
    ],
)
def test_one_word_in_the_place_of_another(one: str, other: str) -> None:
    assert not is_reworded(one, other)


@given(st.text(max_size=60), st.text(max_size=60))
def test_it_is_symmetric_and_holds_for_a_text_itself(one: str, other: str) -> None:
    assert is_reworded(one, one)
    assert is_reworded(one, other) == is_reworded(other, one)


def test_marks_are_numbers_signs_names_and_turns_in_order() -> None:
    assert marks_of("Is 2 + 2 what I and Bob thought before?") == (["2", "+", "2", "bob", "before"], 0)
    assert marks_of("It isn't so, is it not?") == ([], 2)
    assert marks_of("") == ([], 0)
