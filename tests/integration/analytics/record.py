"""A small record that events are put on, for tests of questions."""

from pathlib import Path
from typing import Any

from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000


class Record:
    """A record that events are put on."""

    def __init__(self, folder: Path, *, kind: type[Analytics] = Analytics, **settings: Any) -> None:
        (folder / "master").write_bytes(b"m" * 32)
        self.keyring = Keyring(str(folder / "ring"), str(folder / "master"))
        small = JournalSettings(segment_bytes=1024 * 1024, reserve_bytes=0)
        self.journal = Journal.open(str(folder / "j"), writer="g", keyring=self.keyring, settings=small)
        self.analytics = kind.open(
            str(folder / "a"),
            backups=str(folder / "b"),
            settings=StoreSettings(memory_mb=128, threads=1, **settings),
            now_ms=NOW_MS,
        )
        self.projector = Projector(str(folder / "j"), self.analytics, content_retention_days=30)

    def add(
        self, seconds_ago: float, number: int = 0, content: Content | None = None, **fields: Any
    ) -> RequestCompleted:
        at_ms = int(NOW_MS - seconds_ago * 1000)
        given: dict[str, Any] = {
            "call_id": f"{at_ms:012x}7{number:019x}", "request_id": f"r{number}",
            "at_ns": at_ms * 1_000_000 + number, "operation": "chat", "status": 200,
            "outcome": "completed", "model": "m", "key_id": "key_1", "deployment": "m/d-0",
            "cost_usd": 0.5, "subject": "ann",
        }  # fmt: skip
        event = RequestCompleted(**(given | fields))
        self.journal.append(event, content)
        return event

    def settle(self, now_ms: int = NOW_MS) -> None:
        while self.projector.tick(now_ms).has_more:
            pass

    def close(self) -> None:
        self.journal.close()
        self.projector.close()
        self.analytics.close()
