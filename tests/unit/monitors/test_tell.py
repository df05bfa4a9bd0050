"""What is told: news once, reminders, nothing while silenced, and a group's notice."""

import msgspec
import pytest

from pilothouse.monitors.alerts.alert import Alert, Silence, silence_of
from pilothouse.monitors.alerts.judge import State
from pilothouse.monitors.alerts.tell import News, news_of, notice_of

NOW_MS = 1_790_000_000_000


def alert(state: State, told: State | None = None, **more: object) -> Alert:
    made = Alert(
        id="alt_1", rule="slow", fingerprint="f", group_key="g", state=state, severity="warning",
        labels={"rule": "slow", "model": "gpt-4o"}, receivers=("ops",), summary="slow", value=2.0,
        threshold=1.0, link=None, runbook=None, remind_s=3600.0, pending_at_ms=NOW_MS - 9000,
        last_seen_at_ms=NOW_MS, opened_at_ms=NOW_MS - 5000, told_state=told, told_at_ms=NOW_MS - 1000,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


@pytest.mark.parametrize(
    ("state", "told", "news"),
    [
        ("pending", None, None),
        ("open", None, "open"),
        ("open", "open", None),
        ("acknowledged", "open", "acknowledged"),
        ("acknowledged", "acknowledged", None),
        ("resolved", "open", "resolved"),
        ("resolved", "acknowledged", "resolved"),
        ("resolved", None, None),
        ("resolved", "resolved", None),
    ],
)
def test_each_state_is_told_once(state: State, told: State | None, news: str | None) -> None:
    found = news_of(alert(state, told), is_silenced=False, now_ms=NOW_MS)
    assert (found.state if found else None) == news


def test_what_is_silenced_is_not_told_but_its_end_is() -> None:
    assert news_of(alert("open"), is_silenced=True, now_ms=NOW_MS) is None
    assert news_of(alert("resolved", "open"), is_silenced=True, now_ms=NOW_MS) is not None


def test_an_open_alert_reminds_and_an_acknowledged_one_does_not() -> None:
    late = NOW_MS + 3_600_000
    found = news_of(alert("open", "open"), is_silenced=False, now_ms=late)
    assert found is not None
    assert found.is_reminder
    assert news_of(alert("acknowledged", "acknowledged"), is_silenced=False, now_ms=late) is None
    assert news_of(alert("open", "open", remind_s=0.0), is_silenced=False, now_ms=late) is None


def test_a_group_fires_until_the_last_of_it_is_over() -> None:
    over = alert("resolved", "open", id="alt_2")
    others = [alert("open", "open")]
    notice = notice_of("g", [News(over, "resolved")], others, now_ms=NOW_MS)
    assert notice.status == "firing"
    assert [told.id for told in notice.alerts] == ["alt_1", "alt_2"]
    last = notice_of("g", [News(over, "resolved")], [], now_ms=NOW_MS)
    assert last.status == "resolved"


def test_a_silence_matches_labels_and_beginnings_in_its_time() -> None:
    silence = Silence(
        id="sil_1", matchers={"model": "gpt-*"}, reason="r", starts_at_ms=NOW_MS, ends_at_ms=NOW_MS + 10,
        created_at_ms=NOW_MS,
    )  # fmt: skip
    assert silence_of(alert("open"), [silence], NOW_MS) is silence
    assert silence_of(alert("open"), [silence], NOW_MS + 10) is None
    assert silence_of(alert("open"), [silence], NOW_MS - 1) is None
    assert silence_of(alert("open", labels={"rule": "slow"}), [silence], NOW_MS) is None
