"""What is wrong with a filter, and where.

Refuses to know how filters are read. Invariant: an error has the column, counted from 1, of its cause.
"""

from collections.abc import Iterable
from difflib import get_close_matches

import msgspec

from pilothouse.contracts.errors import ErrorBody, ErrorDetail, InvalidRequestError

__all__ = ["FilterError", "PlacedDetail", "nearest"]


class PlacedDetail(ErrorDetail, frozen=True):
    """OpenAI's error shape with the place beside it."""

    position: int | None = None
    length: int = 1


class FilterError(InvalidRequestError):
    """400: a filter cannot be understood; `position` is the column of its cause."""

    default_code = "invalid_filter"

    def __init__(self, message: str, *, position: int, length: int = 1, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, param="filter")
        self.position = position
        self.length = max(1, length)

    def body(self) -> ErrorBody:
        """Returns the answer's body with the place of the error."""
        detail = msgspec.structs.asdict(super().body().error)
        return ErrorBody(PlacedDetail(**detail, position=self.position, length=self.length))


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Returns `did you mean …?` for the name that is most like `word`, if one is."""
    found = get_close_matches(word.lower(), list(names), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else None
