"""One thing that is wrong in the settings.

Refuses to know what is checked. Invariant: each says what to do.
"""

import msgspec

Place = tuple[str | int, ...]
"""The path of a setting in the file."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, where it stands, and what to do."""

    place: Place
    message: str
    hint: str
