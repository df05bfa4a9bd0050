"""An embedder: what turns a text into a vector, for a package that must not know how.

Refuses to know models and sockets. Invariant: `done` is called exactly once, and never from inside `embed`.
"""

from collections.abc import Callable
from typing import Protocol

Done = Callable[[list[float] | None], None]


class Embedder(Protocol):
    """A model of embeddings."""

    def embed(self, model: str, text: str, *, within_s: float, done: Done) -> None:
        """Gives `done` the vector of a text, or `None` when there was none within the time.

        Args:
            model: The public name of the embedding model.
            text: The text.
            within_s: The deadline, in seconds from now.
            done: Hears the vector, from the event loop.
        """
