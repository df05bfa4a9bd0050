"""The answers that one worker keeps of one model: bounded by bytes, forgotten by time, use, person or change.

Refuses to know requests and clocks. Invariant: what is kept is never more than the bound, and nothing is
given out after its time.
"""

from collections import deque
from collections.abc import Callable

from pilothouse.contracts.snapshot import Price
from pilothouse.gateway.caching.replay import events_of

ENTRY_BYTES = 800
"""What an answer costs besides its body: the entry, its digest and its places in the tables (measured)."""

Forget = Callable[["Entry"], None]


class Entry:
    """One answer: a chat's (or a text completion's, or embeddings'), as JSON with the public name."""

    __slots__ = (
        "body",
        "created_s",
        "digest",
        "events",
        "expires_s",
        "is_kept",
        "meaning",
        "price",
        "size",
        "subject",
        "text",
    )

    def __init__(
        self,
        digest: bytes,
        body: bytes,
        *,
        subject: str | None,
        price: Price | None,
        created_s: float,
        ttl_s: float,
    ) -> None:
        self.digest = digest
        self.body = body
        self.subject = subject
        """The data subject of the call that it was made for."""
        self.price = price
        """Of the deployment that made it: what another answer would cost."""
        self.created_s = created_s
        self.expires_s = created_s + ttl_s
        self.size = len(body) + ENTRY_BYTES
        self.meaning: tuple[bytes, int] | None = None
        """Where it stands among the meanings: bucket and row."""
        self.events = b""
        """The answer as a stream's events, once somebody has asked for that."""
        self.text = ""
        """The message that was answered, where it may be found by meaning."""
        self.is_kept = False


class Answers:
    """Entries by digest; the one that was used longest ago goes first."""

    __slots__ = ("_by_age", "_entries", "_forget", "_max_bytes", "held_bytes")

    def __init__(self, max_bytes: int, forget: Forget) -> None:
        self._max_bytes = max_bytes
        self._forget = forget
        self._entries: dict[bytes, Entry] = {}
        self._by_age: deque[Entry] = deque()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes, now_s: float) -> Entry | None:
        """Returns the answer kept under a digest, if its time has not come."""
        entry = self._entries.pop(digest, None)
        if entry is None:
            return None
        if entry.expires_s <= now_s:
            self._gone(entry)
            return None
        self._entries[digest] = entry  # now the one that was used last
        return entry

    def use(self, entry: Entry) -> None:
        """Notes that an entry was found in another way."""
        if entry.is_kept:
            self._entries[entry.digest] = self._entries.pop(entry.digest)

    def put(self, entry: Entry, now_s: float) -> bool:
        """Keeps an answer, and lets go what there is no more room for. Returns whether it was kept."""
        if entry.size > self._max_bytes:
            return False
        self.expire(now_s)
        old = self._entries.pop(entry.digest, None)
        if old is not None:
            self._gone(old)
        while self.held_bytes + entry.size > self._max_bytes:
            self._gone(self._entries.pop(next(iter(self._entries))))
        entry.is_kept = True
        self._entries[entry.digest] = entry
        self._by_age.append(entry)
        self.held_bytes += entry.size
        return True

    def grow(self, entry: Entry, size: int) -> None:
        """Counts more bytes of an entry that is kept."""
        entry.size += size
        self.held_bytes += size

    def spell(self, entry: Entry) -> None:
        """Keeps a chat's answer as events too, if there is room beside it."""
        events = events_of(entry.body)
        if self.held_bytes + len(events) <= self._max_bytes:
            entry.events = events
            self.grow(entry, len(events))

    def expire(self, now_s: float) -> None:
        """Lets go what is past its time, and the marks of what went before."""
        ages = self._by_age
        while ages and (not ages[0].is_kept or ages[0].expires_s <= now_s):
            entry = ages.popleft()
            if entry.is_kept:
                self._gone(self._entries.pop(entry.digest))
        if len(ages) > 2 * len(self._entries) + 64:
            self._by_age = deque(entry for entry in ages if entry.is_kept)

    def drop(self, entry: Entry) -> None:
        """Lets one entry go."""
        if entry.is_kept:
            self._gone(self._entries.pop(entry.digest))

    def forget(self, subjects: frozenset[str]) -> int:
        """Lets go every answer made for one of these people. Returns how many."""
        theirs = [entry for entry in self._entries.values() if entry.subject in subjects]
        for entry in theirs:
            self.drop(entry)
        return len(theirs)

    def clear(self) -> None:
        """Lets everything go."""
        for entry in list(self._entries.values()):
            self.drop(entry)
        self._by_age.clear()

    def _gone(self, entry: Entry) -> None:
        entry.is_kept = False
        self.held_bytes -= entry.size
        self._forget(entry)
        entry.body, entry.events, entry.text = b"", b"", ""
