"""What two texts must share besides their meaning: an embedding hardly sees a number, a name or an opposite.

`marks_of` gives what must be equal: numbers, signs, names, and words that turn an answer round. `is_reworded`
says whether one text says the other in other words: their content words stand in one order, and no content
word of one was put in the place of another's ("today" for "tomorrow"). Both keep apart many that one answer
would serve; what they let through was measured (`docs/explanation/caching.md`). The lists are English; a text
in another language has no known small words, and meets only what is almost the same. Refuses to know vectors.
Invariant: both are symmetric, and a text is a rewording of itself.
"""

import re

_NEGATING = """
no not never none nor nothing nobody neither without except unless cannot isn't aren't can't don't doesn't
didn't won't wouldn't shouldn't couldn't wasn't weren't haven't hasn't ain't dont cant wont doesnt didnt
isnt arent
"""
_TURNS = """
two three four five six seven eight nine ten eleven twelve dozen hundred thousand million billion half twice
double once first second third last next previous today tomorrow yesterday tonight was were did had ago before
after more less most least fewer only all always
"""
_LITTLE = """
a an the is are be been being am do does i it its this that these those there here what which whats can
could would please tell give show explain describe define say know want need get and so then of in at by as
just also some any kindly hi hello hey let lets help use using used mean means meaning possible way ways
step steps go about if have has one's someone what's it's i'm i'd i'll you're there's
"""
_NEGATIONS = frozenset(_NEGATING.split())
_TURNING = frozenset(_TURNS.split())
"""Numbers in words, times, and comparisons."""
_SMALL = frozenset(_LITTLE.split())
"""Words that say nothing of what is asked for."""
_APOSTROPHE = "\u2019"
_WORD = re.compile(rf"[^\W_]+(?:['{_APOSTROPHE}.,:/+-][^\W_]+)*|[+*/%^=<>-]")
_SHORTEST_STEM = 3
MOST_WEIGHED = 8
"""Content words of a text in which one more still moves the vector far enough ("a full refund"); in longer
texts all must be equal."""


def words_of(text: str) -> list[str]:
    """Returns the words and signs of a text as they stand."""
    return [match.group().replace(_APOSTROPHE, "'") for match in _WORD.finditer(text)]


def marks_of(text: str) -> tuple[list[str], int]:
    """Returns what must be equal, in its order, and the count of negations."""
    marks: list[str] = []
    negations = 0
    is_first = True
    for word in words_of(text):
        lowered = word.lower()
        if lowered in _NEGATIONS:
            negations += 1
        elif lowered in _TURNING or (
            not (word.islower() and word.isalpha()) and _is_mark(word, is_first=is_first)
        ):
            marks.append(lowered)
        is_first = False
    return marks, negations


def is_reworded(one: str, other: str) -> bool:
    """Says whether two texts have their content words in one order, with none in another's place."""
    ours, theirs = _content(one), _content(other)
    if ours == theirs:
        return True
    if max(len(ours), len(theirs)) > MOST_WEIGHED:
        return False
    our_words, their_words = set(ours), set(theirs)
    if our_words - their_words and their_words - our_words:
        return False
    return [w for w in ours if w in their_words] == [w for w in theirs if w in our_words]


def _is_mark(word: str, *, is_first: bool) -> bool:
    """Says whether a word is a number, a sign or a name."""
    if not word[0].isalnum() or any(letter.isdigit() for letter in word):
        return True
    return word[0].isupper() and word != "I" and not is_first


def _content(text: str) -> list[str]:
    lowered = [word.lower() for word in words_of(text)]
    return [_stem(word) for word in lowered if word not in _SMALL]


def _stem(word: str) -> str:
    """Returns a word without the endings of number and time."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e")
