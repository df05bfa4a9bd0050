"""The log-probabilities of a prompt, held against two other ways to get them."""

import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.engines.conftest import Running

pytestmark = pytest.mark.engine

COMPLETIONS = "/v1/completions"
TEXT = "The lighthouse keeper counted the ships that passed before dawn; on most days there were none."
CLOSE = 0.02
"""Two ways through the same 4-bit weights differ a little: sums are formed in another order."""


def echo(chat: "Running", prompt: Any, **more: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"echo": True, "logprobs": 5, "max_tokens": 0, "temperature": 0, **more}
    return chat.good(COMPLETIONS, prompt=prompt, **asked)


def tokens_of(chat: "Running", text: str) -> list[int]:
    return list(chat.good("/tokenize", content=text)["tokens"])


def test_echo_gives_back_the_prompt_and_one_score_a_token(chat: "Running") -> None:
    answer = echo(chat, TEXT)
    (choice,) = answer["choices"]
    scores = choice["logprobs"]
    assert choice["text"] == TEXT
    assert "".join(scores["tokens"]) == TEXT
    assert scores["token_logprobs"][0] is None
    assert scores["top_logprobs"][0] is None
    assert all(score < 0 for score in scores["token_logprobs"][1:])
    assert {len(values) for values in scores.values()} == {len(tokens_of(chat, TEXT))}
    for token, offset in zip(scores["tokens"], scores["text_offset"], strict=True):
        assert TEXT[offset:].startswith(token)
    assert answer["usage"] == {
        "prompt_tokens": len(scores["tokens"]),
        "completion_tokens": 0,
        "total_tokens": len(scores["tokens"]),
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_scores_are_those_of_a_step_by_step_run(chat: "Running") -> None:
    """The model is asked for its next token after each prefix; our token is looked up among the answers."""
    tokens = tokens_of(chat, TEXT)
    scores = echo(chat, tokens)["choices"][0]["logprobs"]
    found = 0
    for place in range(1, len(tokens)):
        step = chat.good(
            COMPLETIONS, prompt=tokens[:place], max_tokens=1, logprobs=20, temperature=0, cache_prompt=False
        )
        (likeliest,) = step["choices"][0]["logprobs"]["top_logprobs"]
        best = max(likeliest, key=lambda token: likeliest[token])
        top = scores["top_logprobs"][place]
        assert max(top, key=lambda token: top[token]) == best
        assert top[best] == pytest.approx(likeliest[best], abs=CLOSE)
        token = scores["tokens"][place]
        if token in likeliest:
            found += 1
            assert scores["token_logprobs"][place] == pytest.approx(likeliest[token], abs=CLOSE)
    assert found >= 5


def test_scores_are_those_of_one_forced_generation(chat: "Running") -> None:
    """A grammar of token numbers lets the model write nothing but our text, in one call."""
    tokens = tokens_of(chat, TEXT)
    scores = echo(chat, tokens)["choices"][0]["logprobs"]
    grammar = "%llguidance {}\nstart: " + " ".join(f"<[{token}]>" for token in tokens[1:])
    forced = chat.good(
        COMPLETIONS, prompt=tokens[:1], max_tokens=len(tokens) - 1, logprobs=1, temperature=0, grammar=grammar
    )
    written = forced["choices"][0]["logprobs"]
    assert written["tokens"] == scores["tokens"][1:]
    assert written["token_logprobs"] == pytest.approx(scores["token_logprobs"][1:], abs=CLOSE)


def test_what_was_written_is_scored_as_when_it_was_written(chat: "Running") -> None:
    asked: dict[str, Any] = {"max_tokens": 12, "logprobs": 1, "temperature": 0, "ignore_eos": True}
    written = chat.good(COMPLETIONS, prompt=TEXT, **asked)["choices"][0]
    again = echo(chat, TEXT + written["text"])["choices"][0]["logprobs"]
    count = len(written["logprobs"]["tokens"])
    assert again["tokens"][-count:] == written["logprobs"]["tokens"]
    assert again["token_logprobs"][-count:] == pytest.approx(written["logprobs"]["token_logprobs"], abs=CLOSE)


def test_echo_goes_on_into_the_answer(chat: "Running") -> None:
    (choice,) = echo(chat, "One two three", max_tokens=2)["choices"]
    scores = choice["logprobs"]
    assert choice["text"].startswith("One two three")
    assert "".join(scores["tokens"]) == choice["text"]
    assert scores["text_offset"] == list(
        itertools.accumulate((len(token) for token in scores["tokens"][:-1]), initial=0)
    )


def test_prompts_come_as_texts_and_as_tokens(chat: "Running") -> None:
    first, second = tokens_of(chat, "One two three"), tokens_of(chat, "Four five")
    by_tokens = echo(chat, [first, second], max_tokens=1)
    by_texts = echo(chat, ["One two three", "Four five"], max_tokens=1)
    assert [it["text"] for it in by_tokens["choices"]] == [it["text"] for it in by_texts["choices"]]
    assert [it["index"] for it in by_texts["choices"]] == [0, 1]
    assert by_texts["usage"]["prompt_tokens"] == len(first) + len(second)
    assert by_texts["usage"]["completion_tokens"] == 2
    assert echo(chat, first)["choices"][0]["text"] == "One two three"


def test_characters_of_several_tokens_are_scored(chat: "Running") -> None:
    text = "Héllo ☃ 日本"
    (choice,) = echo(chat, text)["choices"]
    assert choice["text"] == text
    assert len(choice["logprobs"]["tokens"]) == len(tokens_of(chat, text))
    assert any(token.startswith("bytes:") for token in choice["logprobs"]["tokens"])
    assert all(score < 0 for score in choice["logprobs"]["token_logprobs"][1:])


def test_special_tokens_have_their_names(chat: "Running") -> None:
    text = "<|im_start|>user\nhi<|im_end|>\n"
    scores = echo(chat, text)["choices"][0]["logprobs"]
    assert "".join(scores["tokens"]) == text


def test_a_streamed_echo_says_the_same(chat: "Running") -> None:
    asked: dict[str, Any] = {
        "prompt": "One two",
        "max_tokens": 3,
        "echo": True,
        "logprobs": 1,
        "temperature": 0,
    }
    plain = chat.good(COMPLETIONS, **asked)
    events = chat.events(COMPLETIONS, **asked, stream_options={"include_usage": True})
    choices = [choice for event in events for choice in event["choices"]]
    assert "".join(choice["text"] for choice in choices) == plain["choices"][0]["text"]
    tokens = [token for choice in choices if choice["logprobs"] for token in choice["logprobs"]["tokens"]]
    assert tokens == plain["choices"][0]["logprobs"]["tokens"]
    assert events[-1]["usage"]["total_tokens"] == plain["usage"]["total_tokens"]


def test_echo_without_scores_costs_no_steps(chat: "Running") -> None:
    answer = chat.good(COMPLETIONS, prompt="One two", echo=True, max_tokens=0)
    assert answer["choices"][0]["text"] == "One two"
    assert answer["choices"][0]["logprobs"] is None


def test_legacy_logprobs_have_openai_s_shape(chat: "Running") -> None:
    answer = chat.good(COMPLETIONS, prompt="One two", max_tokens=3, logprobs=2, temperature=0)
    (choice,) = answer["choices"]
    scores = choice["logprobs"]
    assert set(scores) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert "".join(scores["tokens"]) == choice["text"]
    assert all(2 <= len(top) <= 3 for top in scores["top_logprobs"])
    assert scores["text_offset"][0] == 0
