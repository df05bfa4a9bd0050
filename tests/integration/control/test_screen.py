"""The first screen's one answer, and the markers beside the charts, from a real control process."""

import gzip
import json
import time

import pytest
from sqlalchemy import create_engine, insert
from tests.integration.control.conftest import Control, Start

from pilothouse.contracts.home import Home
from pilothouse.network import sync
from pilothouse.store.tables import alerts

SMALL_BYTES = 12_000


@pytest.fixture(scope="module")
def control(start_control: Start) -> Control:
    """A process of this file's own, so that what is counted is known."""
    return start_control()


def _alert(home: Home, name: str, at_ms: int, severity: str = "critical") -> None:
    engine = create_engine(f"sqlite:///{home.state}")
    with engine.begin() as connection:
        connection.execute(
            insert(alerts).values(
                id=name,
                rule="too slow",
                fingerprint=name,
                group_key="g",
                state="open",
                receivers="[]",
                remind_s=0,
                pending_at_ms=at_ms,
                severity=severity,
                labels="{}",
                summary=f"{name} is slow",
                opened_at_ms=at_ms,
                last_seen_at_ms=at_ms,
            )
        )
    engine.dispose()


def test_one_answer_holds_all_that_the_first_screen_shows(control: Control) -> None:
    control.record("01a-one", first_token_ms=40.0, is_stream=True, last_token_ms=80.0)
    control.wait(
        lambda: control.root("GET", "/api/v1/screen").json["overview"]["calls"] == 1, "the call on record"
    )
    screen = control.root("GET", "/api/v1/screen?window_s=900").json
    assert screen["window_s"] == 900
    assert screen["missing"] == []
    assert {model["model"] for model in screen["models"]} >= {"assistant", "own"}
    assert set(screen["extras"]) == {row["id"] for model in screen["models"] for row in model["deployments"]}
    assert screen["alerts"] == {"open": 0, "critical": 0, "acknowledged": 0, "first": []}
    assert [marker["kind"] for marker in screen["markers"]].count("deploy") == 1


def test_viewers_share_one_body_that_is_small_tagged_and_gzipped(control: Control) -> None:
    def ask(**headers: str) -> tuple[int, dict[str, str], bytes]:
        answer = control.ask("GET", "/api/v1/screen", authorization=f"Bearer {control.root_key}", **headers)
        return answer.status, dict(answer.headers), answer.body

    for _ in range(20):
        _, headers, plain = ask()
        status, again, empty = ask(if_none_match=headers["etag"])
        _, zipped_headers, zipped = ask(accept_encoding="gzip")
        if status == 304 and gzip.decompress(zipped) == plain:
            break
    else:
        pytest.fail("twenty viewers in a row never shared a body")
    assert (empty, again["etag"]) == (b"", headers["etag"])
    assert headers["cache-control"] == "private, no-cache"
    assert zipped_headers["content-encoding"] == "gzip"
    print(f"first screen's answer: {len(plain):,} bytes, {len(zipped):,} gzipped")  # noqa: T201 - a figure for whoever reads
    assert len(zipped) <= SMALL_BYTES


def test_the_screen_is_for_those_who_may_read_and_windows_are_few(control: Control) -> None:
    assert control.ask("GET", "/api/v1/screen").status == 401
    assert control.ask("GET", "/api/v1/markers").status == 401
    assert control.root("GET", "/api/v1/screen?window_s=901").status == 400


def test_open_alerts_are_counted_the_critical_first(control: Control) -> None:
    now_ms = time.time_ns() // 1_000_000
    _alert(control.home, "alt_one", now_ms - 2000, "warning")
    _alert(control.home, "alt_two", now_ms - 5000)
    control.wait(lambda: control.root("GET", "/api/v1/screen").json["alerts"]["open"] == 2, "two open alerts")
    found = control.root("GET", "/api/v1/screen").json["alerts"]
    assert found["critical"] == 1
    assert [alert["id"] for alert in found["first"]] == ["alt_two", "alt_one"]


def test_markers_tell_starts_configurations_and_alerts_but_no_key(control: Control) -> None:
    now_ms = time.time_ns() // 1_000_000
    _alert(control.home, "alt_marked", now_ms)
    control.new_key(name="somebody")
    found = control.root("GET", f"/api/v1/markers?from_ms={now_ms - 3_600_000}&to_ms={now_ms + 60_000}").json[
        "data"
    ]
    kinds = [marker["kind"] for marker in found]
    assert kinds.count("deploy") == 1
    assert kinds.count("configuration") == 1
    assert [m["text"] for m in found if "alt_marked" in m["text"]] == ["critical: alt_marked is slow"]
    assert found == sorted(found, key=lambda marker: marker["at_ms"])
    assert not any("who may call" in marker["text"] for marker in found)
    assert (
        control.root("GET", f"/api/v1/markers?from_ms=0&to_ms={now_ms - 86_400_000 * 30}").json["data"] == []
    )


def test_a_thinned_tail_sends_the_newest_and_counts_the_others(control: Control) -> None:
    url = f"unix:{control.home.control_socket}:/api/v1/requests/tail?most=3"
    headers = {"authorization": f"Bearer {control.root_key}"}
    with sync.stream("GET", url, headers=headers, timeout_s=20, idle_timeout_s=20) as answer:
        lines = answer.lines()
        assert next(lines).startswith(":")
        wanted = [f"01b-{number:03}" for number in range(40)]
        for call_id in wanted:
            control.record(call_id)
        seen: list[str] = []
        skipped, event = 0, ""
        while len(seen) + skipped < len(wanted):
            name, _, data = next(lines).partition(":")
            if name == "event":
                event = data.strip()
            elif name == "data" and event == "skipped":
                skipped += int(data)
            elif name == "data":
                seen.append(json.loads(data)["call_id"])
    assert skipped > 0
    assert len(seen) + skipped == len(wanted)
    assert seen[-1] == wanted[-1]
    assert seen == sorted(seen)
