"""What each way of telling sends, and when a failed try is made again."""

import json

import pytest

from pilothouse.monitors.delivery.email import letter
from pilothouse.monitors.delivery.notice import Notice, Told, headline, lines
from pilothouse.monitors.delivery.pace import GIVE_UP_MS, next_try_ms
from pilothouse.monitors.delivery.pagerduty import event
from pilothouse.monitors.delivery.references import problems, secrets_for, variables
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.delivery.signature import is_signed, sign
from pilothouse.monitors.delivery.slack import payload
from pilothouse.monitors.delivery.way import Errand

NOW_MS = 1_790_000_000_000
TOLD = Told(
    id="alt_1", rule="slow", state="open", severity="critical", labels={"rule": "slow", "model": "<b> & co"},
    summary="Latency: 2 s, above 1 s", value=2000.0, threshold=1000.0, link="http://h/traces?a=1&b=2",
    runbook="look here", opened_at_ms=NOW_MS,
)  # fmt: skip
NOTICE = Notice(status="firing", group="g1", at_ms=NOW_MS, alerts=(TOLD,))


def test_a_signature_holds_for_its_body_its_secret_and_its_time() -> None:
    header = sign("secret", b"body", NOW_MS)
    assert is_signed("secret", b"body", header, NOW_MS + 299_000)
    assert not is_signed("secret", b"body", header, NOW_MS + 301_000)
    assert not is_signed("secret", b"other", header, NOW_MS)
    assert not is_signed("other", b"body", header, NOW_MS)
    later = header.replace(f"t={NOW_MS // 1000}", f"t={NOW_MS // 1000 + 1}")
    assert not is_signed("secret", b"body", later, NOW_MS)
    for broken in ("", "t=,v1=", "t=²,v1=a", "nonsense"):
        assert not is_signed("secret", b"body", broken, NOW_MS)


def test_slack_text_cannot_mention_or_link() -> None:
    said = json.dumps(payload(NOTICE))
    assert "<b>" not in said
    assert "&lt;b&gt; &amp; co" in said
    assert "<http://h/traces?a=1&amp;b=2|The calls behind it>" in said


@pytest.mark.parametrize(
    ("status", "action"), [("firing", "trigger"), ("acknowledged", "acknowledge"), ("resolved", "resolve")]
)
def test_pagerduty_gets_one_incident_for_a_group(status: str, action: str) -> None:
    notice = Notice(status=status, group="g1", at_ms=NOW_MS, alerts=(TOLD,))  # type: ignore[arg-type]  # a word
    made = event(notice, "key")
    assert (made["event_action"], made["dedup_key"]) == (action, "pilothouse-g1")
    assert ("payload" in made) == (action == "trigger")


def test_a_letter_cannot_be_given_headers() -> None:
    told = Told(
        **{name: getattr(TOLD, name) for name in TOLD.__struct_fields__} | {"summary": "x\r\nBcc: a@b"}
    )
    notice = Notice(status="firing", group="g1", at_ms=NOW_MS, alerts=(told,))
    settings = ReceiverSettings(kind="email", smtp_host="h", sender="p@example.com", to=["a@example.com"])
    made = letter(Errand("dlv_1", notice, settings, {}, NOW_MS))
    assert made["Bcc"] is None
    assert made["Subject"] == "[ALERT] x Bcc: a@b"


def test_a_notice_reads_well() -> None:
    assert headline(NOTICE) == "[ALERT] Latency: 2 s, above 1 s"
    assert "  what to do: look here" in lines(NOTICE)
    many = Notice(status="resolved", group="g", at_ms=NOW_MS, alerts=(TOLD,) * 30)
    assert lines(many)[-1] == "... and 10 more"
    assert headline(many) == "[RESOLVED] Latency: 2 s, above 1 s and 29 more"


def test_pauses_grow_to_half_an_hour_and_end_after_a_day() -> None:
    pauses = []
    now_ms, attempts = NOW_MS, 1
    while (at_ms := next_try_ms("d", attempts=attempts, created_at_ms=NOW_MS, now_ms=now_ms)) is not None:
        pauses.append(at_ms - now_ms)
        now_ms, attempts = at_ms, attempts + 1
    assert 5_000 <= pauses[0] <= 6_250
    assert max(pauses) <= 2_250_000
    assert len(pauses) > 40
    assert now_ms <= NOW_MS + GIVE_UP_MS


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    at_ms = next_try_ms("d", attempts=1, created_at_ms=NOW_MS, now_ms=NOW_MS, retry_after_s=120)
    assert at_ms == NOW_MS + 120_000


def test_two_deliveries_are_not_tried_at_the_same_moment() -> None:
    tries = {next_try_ms(f"d{n}", attempts=3, created_at_ms=NOW_MS, now_ms=NOW_MS) for n in range(50)}
    assert len(tries) > 40


def test_secrets_are_references() -> None:
    good = ReceiverSettings(kind="slack", webhook_url="${HOOK}")
    assert variables(good) == {"webhook_url": "HOOK"}
    assert secrets_for(good, {"HOOK": "https://x", "OTHER": "y"}) == {"webhook_url": "https://x"}
    bad = ReceiverSettings(kind="slack", webhook_url="https://hooks.example.com/T/secret")
    assert [found[0] for found in problems(bad)] == ["webhook_url"]
    assert "secret" not in "".join(part for found in problems(bad) for part in found[2:])


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (ReceiverSettings(kind="webhook"), ["webhook_url"]),
        (ReceiverSettings(kind="pagerduty"), ["routing_key"]),
        (ReceiverSettings(kind="email"), ["smtp_host", "sender", "to"]),
        (
            ReceiverSettings(
                kind="email", smtp_host="h", sender="s", to=["t"], username="u", security="none"
            ),
            ["password", "security"],
        ),
    ],
)
def test_a_receiver_that_cannot_be_told_is_named(settings: ReceiverSettings, wrong: list[str]) -> None:
    assert [found[0] for found in problems(settings)] == wrong
