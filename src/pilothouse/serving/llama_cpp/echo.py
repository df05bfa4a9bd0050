"""The log-probabilities of a prompt's own tokens, which llama.cpp's server does not give.

One step a token: the prompt up to it is in the cache, the token itself is forced by a bias of its logit, and
the answer states the probability that the model gave it before the bias (llama.cpp reports probabilities of
the untouched logits). So the values are those of the model, not of the bias.

Refuses to know the API that asks. Invariant: the score of a token depends on the tokens before it alone, so a
prefix that two prompts share is computed once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from pilothouse.contracts.errors import UpstreamError
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.wire import Entry, raise_for

__all__ = ["Echo"]

FORCE = 1000.0
"""Added to a logit; logits are within some tens of zero."""

KEPT_TOKENS = 65_536
"""Scores of earlier prompts are kept up to this many tokens: evaluation harnesses repeat their prefixes."""


FIRST_LOOK = 2000
WHOLE_VOCABULARY = 1_000_000


class _Tokens(msgspec.Struct, frozen=True):
    tokens: list[int]


class _Text(msgspec.Struct, frozen=True):
    content: str


class _Step(msgspec.Struct, frozen=True):
    completion_probabilities: list[Entry] = []


class Echo:
    """Scores prompts, a few at a time."""

    def __init__(self, inner: Inner, at_once: int) -> None:
        self._inner = inner
        self._turns = asyncio.Semaphore(at_once)
        self._kept: OrderedDict[tuple[int, ...], tuple[int, list[Entry]]] = OrderedDict()
        self._kept_tokens = 0
        self._names: dict[int, str] = {}

    async def tokens(self, text: str) -> list[int]:
        """Returns the tokens of a text, as the model reads a prompt."""
        asked = msgspec.json.encode({"content": text, "add_special": True, "parse_special": True})
        answer = await self._inner.ask("POST", "/tokenize", asked)
        raise_for(answer)
        return msgspec.json.decode(answer.body, type=_Tokens).tokens

    async def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens."""
        answer = await self._inner.ask("POST", "/detokenize", msgspec.json.encode({"tokens": tokens}))
        raise_for(answer)
        return msgspec.json.decode(answer.body, type=_Text).content

    async def scores(self, tokens: Sequence[int], top: int) -> list[Entry]:
        """Returns the score of each token but the first, which has nothing before it.

        Args:
            tokens: The prompt.
            top: How many of the likeliest tokens to give at each place.
        """
        known = self._known(tokens, top)
        found = list(known)
        async with self._turns:
            for place in range(len(known) + 1, len(tokens)):
                entry = await self._score(tokens, place, top)
                found.append(entry)
        self._keep(tuple(tokens), top, found)
        return found

    async def _score(self, tokens: Sequence[int], place: int, top: int) -> Entry:
        wanted = tokens[place]
        steps = await self._step(tokens[:place], wanted, max(top, 1))
        if not steps:
            return await self._score_part_of_character(tokens, place, top)
        if steps[0].id != wanted:
            raise UpstreamError(f"llama.cpp did not score token {wanted} at place {place}")
        likeliest = [await self._named(other) for other in steps[0].top_logprobs[:top]]
        return msgspec.structs.replace(await self._named(steps[0]), top_logprobs=likeliest)

    async def _score_part_of_character(self, tokens: Sequence[int], place: int, top: int) -> Entry:
        """Scores a token that ends inside a character.

        llama.cpp reports nothing for a step whose text is not whole, so a whole letter is forced instead, and
        the wanted token is looked up among the alternatives.
        """
        letter = (await self.tokens("a"))[-1]
        for count in (FIRST_LOOK, WHOLE_VOCABULARY):
            steps = await self._step(tokens[:place], letter, count)
            found = [entry for entry in steps[0].top_logprobs if entry.id == tokens[place]] if steps else []
            if found:
                likeliest = [await self._named(other) for other in steps[0].top_logprobs[:top]]
                return msgspec.structs.replace(found[0], top_logprobs=likeliest)
        raise UpstreamError(f"llama.cpp did not score token {tokens[place]} at place {place}")

    async def _step(self, before: Sequence[int], forced: int, count: int) -> list[Entry]:
        asked = {
            "prompt": before,
            "n_predict": 1,
            "n_probs": count,
            "temperature": 0,
            "samplers": [],
            "logit_bias": [[forced, FORCE]],
            "cache_prompt": True,
        }
        answer = await self._inner.ask("POST", "/completion", msgspec.json.encode(asked))
        raise_for(answer)
        return msgspec.json.decode(answer.body, type=_Step).completion_probabilities

    async def _named(self, entry: Entry) -> Entry:
        """Gives a special token, which llama.cpp shows as nothing, its name."""
        if entry.bytes:
            return entry
        name = self._names.get(entry.id)
        if name is None:
            name = self._names[entry.id] = await self.text([entry.id])
        return msgspec.structs.replace(entry, token=name, bytes=list(name.encode()))

    def _known(self, tokens: Sequence[int], top: int) -> list[Entry]:
        """Returns the kept scores of the longest prefix that an earlier prompt shares."""
        best: list[Entry] = []
        for key, (kept_top, entries) in self._kept.items():
            if kept_top < top:
                continue
            shared = 0
            for ours, theirs in zip(tokens, key, strict=False):
                if ours != theirs:
                    break
                shared += 1
            if shared - 1 > len(best):
                best = entries[: shared - 1]
        return best

    def _keep(self, tokens: tuple[int, ...], top: int, entries: list[Entry]) -> None:
        old = self._kept.pop(tokens, None)
        if old is not None:
            self._kept_tokens -= len(tokens)
        self._kept[tokens] = (top, entries)
        self._kept_tokens += len(tokens)
        while self._kept_tokens > KEPT_TOKENS:
            gone, _ = self._kept.popitem(last=False)
            self._kept_tokens -= len(gone)
