"""The text of keys, sessions and sign-in links: made once, shown once, known afterwards by its HMAC alone.

Refuses to know where a digest is stored. Invariant: `digest` is the only thing that leaves here to be kept;
HMAC-SHA256 under a secret pepper, so that no copy of the database or of the snapshot gives a key back.
"""

import hmac
import secrets
import string
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["key", "session", "link"]

PREFIXES: dict[Purpose, str] = {"key": "ph", "session": "ph_session", "link": "ph_link"}
"""All begin alike, so that one pattern takes each of them out of a log."""
ID_PREFIXES: dict[Purpose, str] = {"key": "key", "session": "ses", "link": "lnk"}

ALPHABET = string.ascii_letters + string.digits
"""Letters and digits only, so that a double click takes a whole key."""
ID_CHARACTERS = 16
"""95 bits: ids are public and must only never meet."""
SECRET_CHARACTERS = 43
"""256 bits, as the digest has."""

ROOT_KEY_ID = "key_root"


@dataclass(frozen=True, slots=True)
class Token:
    """A new key, session or link. `text` is for the one who asked, and for nothing else."""

    id: str
    text: str
    digest: bytes

    def __repr__(self) -> str:
        """Leaves the text out, so that no log or traceback can hold it."""
        return f"Token(id={self.id!r})"

    @property
    def prefix(self) -> str:
        """The part of the text that may be shown in a list: all but the secret."""
        return self.text.rsplit("_", 1)[0] + "_…"


def new_token(purpose: Purpose, pepper: bytes) -> Token:
    """Makes a token with 256 random bits."""
    name = _random(ID_CHARACTERS)
    text = f"{PREFIXES[purpose]}_{name}_{_random(SECRET_CHARACTERS)}"
    return Token(id=f"{ID_PREFIXES[purpose]}_{name}", text=text, digest=digest(pepper, text))


def digest(pepper: bytes, text: str) -> bytes:
    """Returns the 32 bytes under which a token is known: HMAC-SHA256 of its whole text under the pepper."""
    return hmac.digest(pepper, text.encode(), "sha256")


def _random(characters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))
