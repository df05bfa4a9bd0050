"""What one worker holds: its settings, the directory in force, the journal, the pool, and its counters.

Refuses to know how any of it is used. Invariant: one object a process, passed in, never reached for.
"""

from asyncio import AbstractEventLoop
from hashlib import blake2b
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.events import Content, Event
from pilothouse.contracts.home import Home
from pilothouse.gateway.admission.gatekeeper import Gatekeeper
from pilothouse.gateway.answers import Clock
from pilothouse.gateway.caching.caches import Caches
from pilothouse.gateway.directory import Directory
from pilothouse.gateway.embed import RouteEmbedder
from pilothouse.gateway.limits.meter import Meter
from pilothouse.gateway.routing.book import Book
from pilothouse.gateway.settings import GatewayProcess
from pilothouse.network.pool import Pool

if TYPE_CHECKING:
    from pilothouse.contracts.embedder import Embedder
    from pilothouse.gateway.mirror_end import MirrorEnd


class Recorder(Protocol):
    """The journal, as far as a call needs it."""

    def append(self, event: Event, content: Content | None = None, *, before: Event | None = None) -> None:
        """Writes one event, and `before` it another; the kernel has both when this returns."""

    def refusal(self) -> str | None:
        """Says why no new call may be taken in, else `None`."""


class GatewayState:
    """Everything that the steps of a call share."""

    def __init__(
        self,
        process: GatewayProcess,
        *,
        pepper: bytes,
        journal: Recorder,
        pool: Pool,
        loop: AbstractEventLoop,
    ) -> None:
        self.process = process
        self.settings = process.settings
        self.home = Home(process.home)
        self.pepper = pepper
        self.conversations = blake2b(key=pepper[:64], digest_size=16, person=b"conversation")
        """Copied for each conversation's name, so that the key is hashed once."""
        self.secrets = frozenset(value for value in process.secrets.values() if value)
        self.journal = journal
        self.pool = pool
        self.loop = loop
        self.clock = Clock()
        self.deadlines = process.settings.exchange_deadlines()
        self.max_answer_bytes = process.settings.limits.answer_bytes
        self.max_event_bytes = process.settings.limits.event_bytes
        self.book = Book()
        """What is known of each deployment; it outlives directories."""
        self.shadows = 0
        self.mirrors: list[MirrorEnd] = []
        """The ends of mirrored calls, of which some may be gone."""
        self.shadows_total = 0
        self.shadows_dropped_total = 0
        self.meter = Meter(self.home, window_s=process.window_s)
        """What keys, teams and models may use, and have used."""
        self.gatekeeper = Gatekeeper(loop, perf_counter)
        """Who is let in, and who waits."""
        self.caches = Caches()
        """Answers kept; they outlive directories that leave their model as it was."""
        self.embedder: Embedder = RouteEmbedder(lambda: self._directory, loop, self.deadlines)
        self.in_flight = 0
        self.streams = 0
        self.requests_total = 0
        self.errors_total = 0
        self.is_stopping = False
        self.has_successor = False
        """Another worker serves in this one's place, which only ends what it began."""
        self._directory: Directory | None = None

    @property
    def directory(self) -> Directory:
        """The directory of the snapshot in force.

        Raises:
            UnavailableError: No snapshot was taken yet.
        """
        if self._directory is None:
            raise UnavailableError(
                "The gateway is starting: it has no snapshot yet.",
                hint="Try again in a moment; /readyz says what is missing.",
                code="starting",
                retry_after_s=1,
            )
        return self._directory

    @property
    def has_directory(self) -> bool:
        """Whether a snapshot is in force."""
        return self._directory is not None

    def obey(self, directory: Directory) -> None:
        """Puts a directory in force for every call that begins after this."""
        self._directory = directory
        self.caches.obey(
            (route.name, route.caching) for route in directory.routes.values() if route.caching is not None
        )
        self.caches.forget(directory.forgotten_subjects)
