"""The projector folds each event once, whoever dies when."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.events import Attempt, Content, Parameters, RequestCompleted, RequestStarted
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import first_offset, list_segments, read_chunk
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000
SMALL = JournalSettings(segment_bytes=128 * 1024, quota_bytes=64 * 1024 * 1024, reserve_bytes=0)


def completed(number: int, **fields: Any) -> RequestCompleted:
    given: dict[str, Any] = {
        "call_id": f"{number:032x}", "request_id": f"r{number}", "at_ns": NOW_MS * 1_000_000 + number,
        "operation": "chat", "status": 200, "outcome": "completed", "model": "m", "subject": "ann",
    }  # fmt: skip
    return RequestCompleted(**(given | fields))


def started(number: int) -> RequestStarted:
    return RequestStarted(
        call_id=f"{number:032x}", request_id=f"r{number}", at_ns=NOW_MS * 1_000_000 + number,
        operation="chat", model="m", subject="ann", key_id="key_1", deployment="m/d-0",
    )  # fmt: skip


class Bench:
    """A journal, its analytics, and what stands in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "master").write_bytes(b"m" * 32)
        self.journal_folder = str(folder / "journal")
        self.analytics_folder = str(folder / "analytics")
        self.journal = self.open_journal()
        self.open()

    def open_journal(self, writer: str = "gateway-0") -> Journal:
        keyring = Keyring(str(self.folder / "ring"), str(self.folder / "master"))
        return Journal.open(self.journal_folder, writer=writer, keyring=keyring, settings=SMALL)

    def open(self) -> None:
        self.analytics = Analytics.open(
            self.analytics_folder,
            backups=str(self.folder / "backups"),
            settings=StoreSettings(memory_mb=128, threads=1, batch_events=100),
            now_ms=NOW_MS,
        )
        self.projector = Projector(self.journal_folder, self.analytics, content_retention_days=30)

    def close(self) -> None:
        self.projector.close()
        self.analytics.close()

    def tick(self, now_ms: int = NOW_MS) -> list[RequestCompleted]:
        calls: list[RequestCompleted] = []
        while True:
            tick = self.projector.tick(now_ms)
            calls += tick.calls
            if not tick.has_more:
                return calls

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        cursor = self.analytics.cursor()
        try:
            return cursor.execute(query).fetchall()
        finally:
            cursor.close()

    def contents(self) -> list[tuple[str, int]]:
        found = []
        for day in self.analytics.days():
            schema = self.analytics.attach(day)
            found += self.rows(f"SELECT call_id, part FROM {schema}.content ORDER BY ALL")
        return [(str(call_id), int(part)) for call_id, part in found]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.journal.close()
    bench.close()


def test_a_call_becomes_a_row_with_all_its_numbers(bench: Bench) -> None:
    call = completed(
        1, status=502, outcome="failed", is_stream=True, error_type="upstream_error",
        error_code="upstream_failed", finish_reasons=("stop", "length"), duration_ms=12.5,
        first_token_ms=3.25, input_tokens=7, output_tokens=0,
        cost_usd=0.0125, logprob_mean=-0.5, request_bytes=10, parameters=Parameters(temperature=0.0, seed=1),
        attempts=(Attempt(deployment="m/d-0", provider="p", status=502, duration_ms=12.0),), team='q"é\0',
    )  # fmt: skip
    bench.journal.append(call)
    bench.journal.append(completed(2), Content(request=b"hi"))
    assert bench.tick() == [call, completed(2)]
    assert bench.rows(
        "SELECT status, outcome, is_stream, error_code, finish_reasons, duration_ms, first_token_ms,"
        " input_tokens, output_tokens, cached_tokens, cost_usd, logprob_mean, parameters, attempts, team,"
        " has_content, key_id"
        " FROM calls ORDER BY call_id LIMIT 1"
    ) == [
        (
            502, "failed", True, "upstream_failed", '["stop","length"]', 12.5, 3.25, 7, 0, None, 0.0125, -0.5,
            '{"temperature":0.0,"seed":1}',
            '[{"deployment":"m/d-0","provider":"p","status":502,"duration_ms":12.0}]', 'q"é\0', False, None,
        )
    ]  # fmt: skip
    assert bench.contents() == [(completed(2).call_id, 1)]


def test_ticking_again_changes_nothing_and_a_restart_goes_on(bench: Bench) -> None:
    for number in range(1500):
        bench.journal.append(completed(number), Content(request=b"x" * 100))
    assert len(bench.tick()) == 1500
    assert bench.tick() == []
    bench.close()
    bench.open()
    assert bench.tick() == []
    bench.journal.append(completed(1500))
    assert [call.request_id for call in bench.tick()] == ["r1500"]
    assert bench.rows("SELECT count(*), count(DISTINCT call_id) FROM calls") == [(1501, 1501)]
    assert len(bench.contents()) == 1500
    assert bench.projector.events_total == 1501


def test_several_writers_and_closed_segments_are_all_read(bench: Bench) -> None:
    other = bench.open_journal("gateway-1")
    for number in range(1000):
        (bench.journal if number % 2 else other).append(completed(number), Content(request=b"x" * 300))
    other.close()
    bench.tick()
    assert bench.rows("SELECT count(DISTINCT call_id), count(*) FROM calls") == [(1000, 1000)]
    done = {name for name, progress in bench.projector.positions.items() if progress.is_done}
    assert done == set(list_segments(bench.journal_folder)) - {bench.journal.segment}


def test_content_that_was_kept_before_a_crash_is_not_kept_twice(bench: Bench, tmp_path: Path) -> None:
    for number in range(100):
        bench.journal.append(completed(number), Content(request=b"x" * 100))
    bench.tick()
    bench.close()
    shutil.copy(tmp_path / "analytics" / "calls.duckdb", tmp_path / "before")
    bench.open()
    for number in range(100, 250):
        bench.journal.append(completed(number), Content(request=b"x" * 100))
    bench.tick()
    bench.close()
    # As after a crash: the content is in its file, the rows and their offset are not.
    shutil.copy(tmp_path / "before", tmp_path / "analytics" / "calls.duckdb")
    bench.open()
    for number in range(250, 300):
        bench.journal.append(completed(number), Content(request=b"x" * 100))
    assert len(bench.tick()) == 200
    assert bench.contents() == [(completed(number).call_id, 1) for number in range(300)]
    assert bench.rows("SELECT count(*), count(DISTINCT call_id) FROM calls") == [(300, 300)]


WRITER = """
    import sys, os, signal
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from test_projector import Bench, completed, started, SMALL
    from pilothouse.contracts.events import Content
    from pilothouse.telemetry.journal import Journal
    from pilothouse.telemetry.keyring import Keyring
    folder = sys.argv[2]
    journal = Journal.open(folder + "/journal", writer="gateway-9", settings=SMALL,
        keyring=Keyring(folder + "/ring", folder + "/master"))
    for number in (500, 501, 502):
        journal.append(started(number), Content(request=b"asked"))
    journal.append(completed(501), Content(response=b"answered"))
    print("written", flush=True)
    sys.stdin.readline()
    journal.append(completed(502), Content(response=b"answered"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_stream_without_an_end_is_cut_once_its_process_is_dead(bench: Bench, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(Path(__file__).parent), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        bench.journal.append(started(1), Content(request=b"asked"))
        assert [call.request_id for call in bench.tick()] == ["r501"]
        assert bench.projector.open_calls == 3
        bench.close()
        bench.open()
        assert bench.tick() == []
        writer.communicate("go\n")
    calls = bench.tick()
    assert [(call.request_id, call.outcome) for call in calls] == [("r502", "completed"), ("r500", "cut")]
    assert bench.tick() == []
    bench.journal.append(completed(1))
    assert [(call.request_id, call.outcome) for call in bench.tick()] == [("r1", "completed")]
    assert bench.rows("SELECT request_id, outcome, has_content FROM calls ORDER BY ALL") == [
        ("r1", "completed", True),
        ("r500", "cut", True),
        ("r501", "completed", True),
        ("r502", "completed", True),
    ]
    assert bench.rows("SELECT count(*) FROM open_calls") == [(0,)]
    assert len(bench.contents()) == 6
    assert not list(Path(bench.journal_folder).glob("*gateway-9*.lock"))
    dead = next(Path(bench.journal_folder).glob("*gateway-9*.segment"))
    assert dead.stat().st_size < 10_000


def test_damage_costs_the_damaged_frames_only(bench: Bench, tmp_path: Path) -> None:
    other = bench.open_journal("gateway-1")
    for number in range(50):
        other.append(completed(number))
    path = Path(bench.journal_folder) / other.segment
    other.close()
    frames = read_chunk(str(path), first_offset(str(path))).frames
    data = bytearray(path.read_bytes())
    data[frames[7].offset + 30] ^= 1
    path.write_bytes(data)
    (Path(bench.journal_folder) / "1790000000000-gateway-7-77-000001.segment").write_bytes(b"nonsense")
    assert len(bench.tick()) == 49
    assert bench.projector.damages_total == 2
    assert bench.tick() == []


def test_numbers_that_no_column_holds_do_not_stop_the_record(bench: Bench) -> None:
    bench.journal.append(completed(1, input_tokens=2**63 + 5, cost_usd=float("inf")))
    bench.journal.append(completed(2, input_tokens=5, output_tokens=2**62))
    bench.tick()
    assert bench.rows("SELECT input_tokens, output_tokens, cost_usd FROM calls ORDER BY call_id") == [
        (None, None, None),
        (5, 2**62, None),
    ]


def test_content_past_its_retention_is_not_taken_up_again(bench: Bench) -> None:
    bench.journal.append(completed(1), Content(request=b"old"))
    bench.tick(NOW_MS + 40 * 86_400_000)
    assert bench.contents() == []
    assert bench.rows("SELECT count(*) FROM calls") == [(1,)]


def test_lag_is_the_age_of_the_oldest_new_event(bench: Bench) -> None:
    bench.journal.append(completed(0, duration_ms=500.0))
    assert bench.projector.tick(NOW_MS + 2000).lag_ms == 1500
    assert bench.projector.tick(NOW_MS + 9000).lag_ms == 0


def test_a_second_process_is_refused_and_a_newer_file_too(bench: Bench, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pilothouse.store.analytics import Analytics\n"
        "from pilothouse.store.settings import StoreSettings\n"
        "Analytics.open(sys.argv[1], backups='', settings=StoreSettings(), now_ms=1)"
    )
    refused = subprocess.run(
        [sys.executable, "-c", program, bench.analytics_folder], capture_output=True, text=True, check=False
    )
    assert "ConfigurationError" in refused.stderr
    assert "cannot be opened" in refused.stderr
    bench.rows("INSERT INTO schema_version VALUES (99)")
    bench.close()
    with pytest.raises(ConfigurationError, match="schema 99"):
        bench.open()
    import duckdb

    with duckdb.connect(f"{bench.analytics_folder}/calls.duckdb") as connection:
        connection.execute("DELETE FROM schema_version WHERE version = 99")
    bench.open()


def test_no_file_outside_the_folder_can_be_reached(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for statement in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"ATTACH '{tmp_path}/other.duckdb'",
        "COPY calls TO '/tmp/out.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        with pytest.raises(Exception, match=r"(?i)permission|configuration|disabled|cannot"):
            bench.rows(statement)


def test_a_days_content_can_be_dropped(bench: Bench) -> None:
    bench.journal.append(completed(1), Content(request=b"x"))
    bench.tick()
    (day,) = bench.analytics.days()
    assert bench.analytics.drop_day(day)
    assert bench.analytics.days() == []
    assert bench.analytics.attach(day) is None
    with pytest.raises(ValueError, match="not a day"):
        bench.analytics.drop_day("../x")
    bench.analytics.checkpoint()
