"""Notices reach receivers that are well, failing, slow, redirecting, private or badly secured."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.integration.monitors.receivers import Hook, mail_server, make_certificate, web_server
from tests.integration.monitors.watching import NOW_MS, state

from pilothouse.contracts.errors import InvalidRequestError, NotFoundError
from pilothouse.monitors.delivery import repository
from pilothouse.monitors.delivery.notice import Notice, Told
from pilothouse.monitors.delivery.repository import Delivery
from pilothouse.monitors.delivery.send import CLAIM_MS, Sender
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.delivery.signature import is_signed

S = 1000
DAY_MS = 86_400_000
SECRET_PATH = "/services/T000/the-secret-token"
TOLD = Told(
    id="alt_1", rule="slow", state="open", severity="critical", labels={"rule": "slow", "model": "m"},
    summary="Latency (m): 2 s, above 1 s", opened_at_ms=NOW_MS,
)  # fmt: skip
NOTICE = Notice(status="firing", group="g1", at_ms=NOW_MS, alerts=(TOLD,))
WEBHOOK = ReceiverSettings(
    kind="webhook", webhook_url="${HOOK}", signing_secret="${SIGN}", allow_private=True, timeout_s=5.0
)
MAIL = {
    "kind": "email", "smtp_host": "localhost", "sender": "p@example.com", "to": ["ops@example.com"],
    "username": "pilot", "password": "${MAIL}", "allow_private": True, "timeout_s": 5.0,
}  # fmt: skip


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = state(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as running:
        yield running


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate that this process trusts."""
    file = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def sender_of(engine: Engine, receiver: ReceiverSettings, **secrets: str) -> Sender:
    return Sender(engine, {"ops": receiver}, secrets)


def put(engine: Engine, name: str = "dlv_1", notice: Notice = NOTICE, now_ms: int = NOW_MS) -> None:
    made = Delivery(
        id=name,
        group_key=notice.group,
        receiver="ops",
        notice=notice,
        created_at_ms=now_ms,
        next_at_ms=now_ms,
    )
    with engine.begin() as connection:
        repository.add(connection, made)


def kept(engine: Engine, name: str = "dlv_1", group: str = "g1") -> Delivery:
    with engine.connect() as connection:
        found = repository.of_groups(connection, [group], 0, 100)
    return next(one for one in found if one.id == name)


def test_a_webhook_is_signed_and_named(engine: Engine, hook: Hook) -> None:
    put(engine)
    sender_of(engine, WEBHOOK, HOOK=f"{hook.url}{SECRET_PATH}", SIGN="s3cret").tick(NOW_MS)
    [taken] = hook.taken
    assert taken.path == SECRET_PATH
    assert taken.headers["x-pilothouse-delivery"] == "dlv_1"
    assert is_signed("s3cret", taken.body, taken.headers["x-pilothouse-signature"], NOW_MS)
    assert taken.json["title"] == "[ALERT] Latency (m): 2 s, above 1 s"
    found = kept(engine)
    assert (found.state, found.attempts, found.delivered_at_ms) == ("sent", 1, NOW_MS)


def test_a_failing_receiver_is_tried_again_later_each_time(engine: Engine, hook: Hook) -> None:
    hook.statuses.extend([500, 503])
    put(engine)
    sender = sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s")
    sender.tick(NOW_MS)
    first = kept(engine)
    assert (first.state, first.last_error) == ("waiting", "it answered HTTP 500")
    assert first.next_at_ms is not None
    sender.tick(first.next_at_ms - 1)
    assert len(hook.taken) == 1
    sender.tick(first.next_at_ms)
    second = kept(engine)
    assert second.next_at_ms is not None
    assert second.next_at_ms - first.next_at_ms > first.next_at_ms - NOW_MS
    sender.tick(second.next_at_ms)
    assert kept(engine).state == "sent"
    assert kept(engine).attempts == 3


def test_after_a_day_it_is_given_up_and_shown(engine: Engine, hook: Hook) -> None:
    hook.statuses.extend([500] * 200)
    put(engine)
    sender = sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s")
    now_ms = NOW_MS
    while (found := kept(engine)).state == "waiting":
        assert found.next_at_ms is not None
        now_ms = found.next_at_ms
        sender.tick(now_ms)
    assert found.state == "failed"
    assert found.last_error == "it answered HTTP 500"
    assert NOW_MS + DAY_MS - 3_000_000 < now_ms <= NOW_MS + DAY_MS
    assert found.attempts < 80


def test_a_receiver_that_says_no_is_not_asked_again(engine: Engine, hook: Hook) -> None:
    hook.statuses.append(404)
    put(engine)
    sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s").tick(NOW_MS)
    assert (kept(engine).state, kept(engine).last_error) == ("failed", "it answered HTTP 404")


def test_too_many_requests_are_answered_with_patience(engine: Engine, hook: Hook) -> None:
    hook.statuses.append(429)
    hook.headers["retry-after"] = "600"
    put(engine)
    sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s").tick(NOW_MS)
    assert kept(engine).next_at_ms == NOW_MS + 600 * S


def test_a_redirect_is_not_followed(engine: Engine, hook: Hook) -> None:
    with web_server() as elsewhere:
        hook.statuses.append(307)
        hook.headers["location"] = f"{elsewhere.url}/take"
        put(engine)
        sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s").tick(NOW_MS)
        assert elsewhere.taken == []
    assert kept(engine).state == "failed"
    assert kept(engine).last_error == "it redirects (HTTP 307), which is not followed"


def test_a_slow_receiver_is_left_and_holds_up_no_other(engine: Engine, hook: Hook) -> None:
    hook.hold.clear()
    with web_server() as quick:
        slow = ReceiverSettings(kind="slack", webhook_url="${SLOW}", allow_private=True, timeout_s=0.3)
        fast = ReceiverSettings(kind="slack", webhook_url="${FAST}", allow_private=True)
        receivers = {"slow": slow, "fast": fast}
        sender = Sender(engine, receivers, {"SLOW": hook.url, "FAST": quick.url})
        for name in receivers:
            made = Delivery(
                id=f"dlv_{name}", group_key="g1", receiver=name, notice=NOTICE, created_at_ms=NOW_MS,
                next_at_ms=NOW_MS,
            )  # fmt: skip
            with engine.begin() as connection:
                repository.add(connection, made)
        sender.tick(NOW_MS)
        assert len(quick.taken) == 1
    assert kept(engine, "dlv_fast").state == "sent"
    assert kept(engine, "dlv_slow").last_error == "it did not answer within 0.3 s"


def test_a_private_address_is_refused_unless_allowed(engine: Engine, hook: Hook) -> None:
    closed = ReceiverSettings(kind="slack", webhook_url="${HOOK}")
    for url in (hook.url, hook.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(InvalidRequestError, match="private"):
            sender_of(engine, closed, HOOK=url).test("ops", NOTICE, NOW_MS)
    assert hook.taken == []


def test_an_untrusted_certificate_is_refused(engine: Engine, tmp_path: Path) -> None:
    with web_server(make_certificate(tmp_path)) as hook:
        with pytest.raises(InvalidRequestError, match="certificate is not trusted"):
            sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s").test("ops", NOTICE, NOW_MS)
        assert hook.taken == []


def test_a_trusted_certificate_is_taken(engine: Engine, certificate: Path) -> None:
    with web_server(certificate) as hook:
        sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s").test("ops", NOTICE, NOW_MS)
        assert len(hook.taken) == 1


def test_two_senders_never_make_the_same_try(state_engine: Engine, hook: Hook) -> None:
    engine = state_engine
    for number in range(20):
        notice = Notice(status="firing", group=f"g{number}", at_ms=NOW_MS, alerts=(TOLD,))
        put(engine, f"dlv_{number}", notice)
    senders = [sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s") for _ in range(3)]
    threads = [threading.Thread(target=sender.tick, args=(NOW_MS,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [taken.headers["x-pilothouse-delivery"] for taken in hook.taken]
    assert sorted(told) == sorted(f"dlv_{number}" for number in range(20))


def test_what_a_crash_left_claimed_is_told_later(engine: Engine, hook: Hook) -> None:
    put(engine)
    with engine.begin() as connection:
        assert repository.claim(connection, kept(engine), until_ms=NOW_MS + CLAIM_MS)
    sender = sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s")
    sender.tick(NOW_MS + CLAIM_MS - 1)
    assert hook.taken == []
    sender.tick(NOW_MS + CLAIM_MS)
    assert len(hook.taken) == 1


def test_news_takes_the_place_of_what_still_waits(engine: Engine, hook: Hook) -> None:
    hook.statuses.append(500)
    put(engine)
    sender = sender_of(engine, WEBHOOK, HOOK=hook.url, SIGN="s")
    sender.tick(NOW_MS)
    over = Notice(status="resolved", group="g1", at_ms=NOW_MS, alerts=(TOLD,))
    put(engine, "dlv_2", over, NOW_MS + S)
    sender.tick(NOW_MS + DAY_MS // 2)
    assert [taken.json["status"] for taken in hook.taken] == ["firing", "resolved"]
    assert kept(engine).state == "superseded"


def test_pagerduty_takes_trigger_and_resolve(engine: Engine, hook: Hook) -> None:
    duty = ReceiverSettings(
        kind="pagerduty", routing_key="${KEY}", events_url=f"{hook.url}/v2/enqueue", allow_private=True
    )
    sender = sender_of(engine, duty, KEY="routing-secret")
    put(engine)
    sender.tick(NOW_MS)
    put(engine, "dlv_2", Notice(status="resolved", group="g1", at_ms=NOW_MS, alerts=(TOLD,)))
    sender.tick(NOW_MS)
    sender.test("ops", Notice(status="test", group="t", at_ms=NOW_MS, alerts=(TOLD,)), NOW_MS)
    events = [(taken.json["event_action"], taken.json["dedup_key"]) for taken in hook.taken]
    assert events == [
        ("trigger", "pilothouse-g1"), ("resolve", "pilothouse-g1"),
        ("trigger", "pilothouse-t"), ("resolve", "pilothouse-t"),
    ]  # fmt: skip
    assert hook.taken[0].json["payload"]["severity"] == "critical"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_letter_is_secured_and_logged_in(engine: Engine, certificate: Path, security: str) -> None:
    with mail_server(certificate, tls_at_once=security == "tls") as box:
        settings = ReceiverSettings(**MAIL, security=security, smtp_port=box.port)  # type: ignore[arg-type]  # words
        sender_of(engine, settings, MAIL="right").test("ops", NOTICE, NOW_MS)
        assert box.logins == [("pilot", "right")]
        assert box.was_secured == [True]
        [letter] = box.letters
    assert "Subject: [ALERT] Latency (m): 2 s, above 1 s" in letter
    assert "model=m, rule=slow" in letter


def test_a_mail_server_that_nobody_vouches_for_gets_no_password(engine: Engine, tmp_path: Path) -> None:
    with mail_server(make_certificate(tmp_path)) as box:
        settings = ReceiverSettings(**MAIL, smtp_port=box.port)  # type: ignore[arg-type]  # words
        with pytest.raises(InvalidRequestError, match="certificate is not trusted"):
            sender_of(engine, settings, MAIL="right").test("ops", NOTICE, NOW_MS)
        assert box.logins == []


def test_what_a_mail_server_refuses_is_said(engine: Engine, certificate: Path) -> None:
    with mail_server(certificate) as box:
        settings = ReceiverSettings(**MAIL, smtp_port=box.port)  # type: ignore[arg-type]  # words
        with pytest.raises(InvalidRequestError, match=r"refused the login \(535\)"):
            sender_of(engine, settings, MAIL="wrong").test("ops", NOTICE, NOW_MS)
        box.refuse = "450 later"
        put(engine)
        sender_of(engine, settings, MAIL="right").tick(NOW_MS)
    assert (kept(engine).state, kept(engine).last_error) == ("waiting", "the mail server answered 450")


def test_no_secret_is_in_a_log_an_error_or_the_database(
    engine: Engine, hook: Hook, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {"HOOK": f"{hook.url}{SECRET_PATH}", "SIGN": "the-secret-signer", "GONE": "the-secret-nowhere"}
    said: list[str] = []
    hook.statuses.extend([500, 403, 307])
    hook.headers["location"] = SECRET_PATH
    for wrong in (
        WEBHOOK, WEBHOOK, WEBHOOK,
        ReceiverSettings(kind="webhook", webhook_url="${GONE}"),
        ReceiverSettings(kind="slack", webhook_url="${SIGN}"),
        ReceiverSettings(kind="slack", webhook_url="${HOOK}"),
        ReceiverSettings(kind="pagerduty", routing_key="${SIGN}", events_url="http://127.0.0.1:9/x"),
    ):  # fmt: skip
        with pytest.raises(InvalidRequestError) as caught:
            Sender(engine, {"ops": wrong}, secrets).test("ops", NOTICE, NOW_MS)
        said.append(caught.value.message)
    dead = {**secrets, "HOOK": f"http://127.0.0.1:9{SECRET_PATH}"}
    put(engine)
    Sender(engine, {"ops": WEBHOOK}, dead).tick(NOW_MS)
    assert kept(engine).last_error == "no connection: Connection refused"
    written = b"".join(file.read_bytes() for file in tmp_path.glob("state.sqlite*"))
    assert "the-secret" not in "\n".join([*said, caplog.text])
    assert b"the-secret" not in written


def test_a_receiver_that_is_gone_is_said(engine: Engine) -> None:
    put(engine)
    Sender(engine, {}, {}).tick(NOW_MS)
    assert kept(engine).last_error == "it is no longer in the configuration"
    with pytest.raises(NotFoundError):
        Sender(engine, {}, {}).test("ops", NOTICE, NOW_MS)
