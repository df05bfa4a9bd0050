"""Keys, sessions and links on a real SQLite file, and on a real PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pilothouse.access.desk import Desk
from pilothouse.access.keys import LOCAL_CALLER, Caller
from pilothouse.access.settings import AccessSettings
from pilothouse.access.tokens import digest
from pilothouse.contracts.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from pilothouse.contracts.snapshot import KeyRecord, RecordPolicy, Role
from pilothouse.contracts.traffic import Limits
from pilothouse.store.tables import METADATA

PEPPER = b"p" * 32
ROOT = "root-key-of-the-operator"
NOW = 1_795_000_000_000
HOUR = 3_600_000


@pytest.fixture
def engine(state_engine: Engine) -> Engine:
    return state_engine


class Changes:
    """Counts announcements."""

    def __init__(self) -> None:
        self.count = 0
        self.last_ms = 0

    def __call__(self, now_ms: int) -> None:
        self.count += 1
        self.last_ms = now_ms


def make(engine: Engine, root: str | None = ROOT, changed: Changes | None = None) -> Desk:
    return Desk(engine, pepper=PEPPER, root_key=root, settings=AccessSettings(), changed=changed or Changes())


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return make(engine)


def ids(desk: Desk, now_ms: int = NOW) -> set[str]:
    return {record.id for record in desk.key_records(now_ms)}


def test_a_new_key_is_its_owner(desk: Desk) -> None:
    policy = RecordPolicy(content="none")
    key, token = desk.create_key(
        LOCAL_CALLER, name=" bot ", role="viewer", team="t", models=("a",), record=policy, now_ms=NOW
    )
    caller = desk.identify(token.text, NOW)
    assert (caller.id, caller.name, caller.role, caller.kind) == (key.id, "bot", "viewer", "key")
    (record,) = (record for record in desk.key_records(NOW) if record.id == key.id)
    assert record.digest == digest(PEPPER, token.text)
    assert (record.models, record.team, record.record) == (("a",), "t", policy)


def test_no_text_of_a_key_is_in_the_database(desk: Desk, engine: Engine, tmp_path: Path) -> None:
    _, key = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    _, session = desk.open_session(LOCAL_CALLER, now_ms=NOW)
    _, link = desk.create_link(LOCAL_CALLER, now_ms=NOW)
    with engine.connect() as connection:
        rows = [connection.execute(table.select()).all() for table in METADATA.sorted_tables]
    engine.dispose()
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    kept = files + repr(rows).encode()
    assert key.id.encode() in kept
    for token in (key, session, link):
        assert token.text.rsplit("_", 1)[1].encode() not in kept
    assert ROOT.encode() not in kept


@pytest.mark.parametrize("text", ["", "ph_x_y", "x" * 10_000, "ph_\u00e9_x", ROOT + "x"])
def test_an_unknown_key_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(AuthenticationError) as raised:
        desk.identify(text, NOW)
    assert raised.value.code == "invalid_api_key"
    assert not text or text not in str(raised.value.body())


def test_the_root_key_is_root_and_its_change_ends_what_was_opened_with_it(engine: Engine) -> None:
    desk = make(engine)
    root = desk.identify(ROOT, NOW)
    assert (root.id, root.role) == ("key_root", "root")
    session, token = desk.open_session(root, now_ms=NOW)
    assert {"key_root", session.id} <= ids(desk)
    changed = make(engine, root="another-root-key")
    assert session.id not in ids(changed)
    for text in (token.text, ROOT):
        with pytest.raises(AuthenticationError):
            changed.identify(text, NOW)


def test_a_revoked_key_and_its_sessions_end(desk: Desk) -> None:
    key, token = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    session, session_token = desk.open_session(desk.identify(token.text, NOW), now_ms=NOW)
    assert {key.id, session.id} <= ids(desk)
    revoked = desk.revoke_key(LOCAL_CALLER, key.id, now_ms=NOW + 1)
    assert revoked.revoked_at_ms == NOW + 1
    assert desk.revoke_key(LOCAL_CALLER, key.id, now_ms=NOW + 2) == revoked
    assert not {key.id, session.id} & ids(desk)
    with pytest.raises(AuthenticationError, match="revoked"):
        desk.identify(token.text, NOW + 1)
    with pytest.raises(AuthenticationError):
        desk.identify(session_token.text, NOW + 1)


def test_an_expired_key_ends_by_itself(desk: Desk) -> None:
    key, token = desk.create_key(LOCAL_CALLER, name="bot", expires_at_ms=NOW + 5000, now_ms=NOW)
    assert desk.identify(token.text, NOW + 4999).id == key.id
    with pytest.raises(AuthenticationError, match="expired"):
        desk.identify(token.text, NOW + 5000)
    assert key.id in ids(desk, NOW + 4999)
    assert key.id not in ids(desk, NOW + 5000)


def test_a_rotated_key_works_for_its_grace_time(desk: Desk) -> None:
    key, old = desk.create_key(LOCAL_CALLER, name="bot", role="viewer", team="t", now_ms=NOW)
    rotated, new = desk.rotate_key(LOCAL_CALLER, key.id, grace_s=60, now_ms=NOW)
    assert (rotated.name, rotated.role, rotated.team) == ("bot", "viewer", "t")
    assert desk.identify(old.text, NOW + 59_999).id == key.id
    assert desk.identify(new.text, NOW + HOUR).id == rotated.id
    with pytest.raises(AuthenticationError):
        desk.identify(old.text, NOW + 60_000)
    with pytest.raises(ConflictError):
        desk.rotate_key(LOCAL_CALLER, key.id, grace_s=0, now_ms=NOW)


def test_a_key_rotated_without_grace_ends_at_once(desk: Desk) -> None:
    key, old = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    desk.rotate_key(LOCAL_CALLER, key.id, grace_s=0, now_ms=NOW)
    with pytest.raises(AuthenticationError, match="revoked"):
        desk.identify(old.text, NOW)


def test_grace_never_makes_a_key_last_longer(desk: Desk) -> None:
    key, old = desk.create_key(LOCAL_CALLER, name="bot", expires_at_ms=NOW + 1000, now_ms=NOW)
    desk.rotate_key(LOCAL_CALLER, key.id, grace_s=3600, now_ms=NOW)
    with pytest.raises(AuthenticationError, match="expired"):
        desk.identify(old.text, NOW + 1000)


def test_a_session_lasts_twelve_hours(desk: Desk) -> None:
    session, token = desk.open_session(LOCAL_CALLER, now_ms=NOW)
    assert desk.identify(token.text, NOW + 12 * HOUR - 1).kind == "session"
    assert session.id not in ids(desk, NOW + 12 * HOUR)
    with pytest.raises(AuthenticationError):
        desk.identify(token.text, NOW + 12 * HOUR)


def test_a_session_records_what_its_key_allows(desk: Desk) -> None:
    policy = RecordPolicy(content="none")
    _, token = desk.create_key(LOCAL_CALLER, name="bot", record=policy, models=("a",), now_ms=NOW)
    session, _ = desk.open_session(desk.identify(token.text, NOW), now_ms=NOW)
    (record,) = (record for record in desk.key_records(NOW) if record.id == session.id)
    assert (record.kind, record.record, record.models) == ("session", policy, ("a",))


def test_an_ended_session_stays_ended(desk: Desk) -> None:
    session, token = desk.open_session(LOCAL_CALLER, now_ms=NOW)
    desk.end_session(session.id, now_ms=NOW)
    with pytest.raises(AuthenticationError):
        desk.identify(token.text, NOW)


def test_a_link_works_once_and_for_fifteen_minutes(desk: Desk) -> None:
    _, link = desk.create_link(LOCAL_CALLER, now_ms=NOW)
    session, token = desk.use_link(link.text, now_ms=NOW + 1)
    assert session.role == "admin"
    assert desk.identify(token.text, NOW + 2).id == session.id
    with pytest.raises(AuthenticationError, match="used"):
        desk.use_link(link.text, now_ms=NOW + 2)
    _, late = desk.create_link(LOCAL_CALLER, now_ms=NOW)
    with pytest.raises(AuthenticationError, match="too old"):
        desk.use_link(late.text, now_ms=NOW + HOUR // 4)


def test_a_link_of_a_revoked_admin_opens_nothing(desk: Desk) -> None:
    key, token = desk.create_key(LOCAL_CALLER, name="admin", role="admin", now_ms=NOW)
    admin = desk.identify(token.text, NOW)
    _, link = desk.create_link(admin, now_ms=NOW)
    desk.revoke_key(LOCAL_CALLER, key.id, now_ms=NOW)
    with pytest.raises(AuthenticationError):
        desk.use_link(link.text, now_ms=NOW)


def test_a_link_is_no_key_and_a_session_no_link(desk: Desk) -> None:
    _, link = desk.create_link(LOCAL_CALLER, now_ms=NOW)
    _, session = desk.open_session(LOCAL_CALLER, now_ms=NOW)
    with pytest.raises(AuthenticationError):
        desk.identify(link.text, NOW)
    with pytest.raises(AuthenticationError):
        desk.use_link(session.text, now_ms=NOW)


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_only_admins_manage_keys(desk: Desk, role: Role) -> None:
    caller = Caller(id="key_x", name="x", role=role, kind="key", issuer="key_x")
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    for attempt in (
        lambda: desk.create_key(caller, name="y", now_ms=NOW),
        lambda: desk.revoke_key(caller, key.id, now_ms=NOW),
        lambda: desk.rotate_key(caller, key.id, grace_s=0, now_ms=NOW),
        lambda: desk.create_link(caller, now_ms=NOW),
    ):
        with pytest.raises(PermissionDeniedError):
            attempt()


def test_an_admin_has_no_power_over_root(desk: Desk) -> None:
    admin = Caller(id="key_a", name="a", role="admin", kind="key", issuer="key_a")
    root_key, _ = desk.create_key(LOCAL_CALLER, name="second root", role="root", now_ms=NOW)
    for attempt in (
        lambda: desk.create_key(admin, name="y", role="root", now_ms=NOW),
        lambda: desk.revoke_key(admin, root_key.id, now_ms=NOW),
        lambda: desk.rotate_key(admin, root_key.id, grace_s=0, now_ms=NOW),
    ):
        with pytest.raises(PermissionDeniedError):
            attempt()


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_key_needs_a_name(desk: Desk, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        desk.create_key(LOCAL_CALLER, name=name, now_ms=NOW)


def test_an_expiry_in_the_past_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidRequestError, match="past"):
        desk.create_key(LOCAL_CALLER, name="x", expires_at_ms=NOW, now_ms=NOW)


@pytest.mark.parametrize("key_id", ["key_none", "key_root", ""])
def test_an_unknown_id_is_not_found(desk: Desk, key_id: str) -> None:
    with pytest.raises(NotFoundError):
        desk.revoke_key(LOCAL_CALLER, key_id, now_ms=NOW)


def test_each_change_is_announced_after_it_is_kept(engine: Engine) -> None:
    changed = Changes()
    desk = make(engine, changed=changed)
    counts = [changed.count]
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    counts.append(changed.count)
    desk.rotate_key(LOCAL_CALLER, key.id, grace_s=60, now_ms=NOW)
    counts.append(changed.count)
    desk.revoke_key(LOCAL_CALLER, key.id, now_ms=NOW)
    counts.append(changed.count)
    session, _ = desk.open_session(LOCAL_CALLER, now_ms=NOW)
    counts.append(changed.count)
    desk.end_session(session.id, now_ms=NOW)
    counts.append(changed.count)
    assert counts == [0, 1, 2, 3, 4, 5]


def test_what_is_past_is_forgotten_but_keys_stay_on_record(desk: Desk) -> None:
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", expires_at_ms=NOW + 1, now_ms=NOW)
    desk.open_session(LOCAL_CALLER, now_ms=NOW)
    desk.create_link(LOCAL_CALLER, now_ms=NOW)
    assert desk.forget_expired(NOW) == 0
    assert desk.forget_expired(NOW + 12 * HOUR) == 2
    assert [kept.id for kept in desk.list_keys()] == [key.id]


def test_the_time_of_last_use_only_grows(desk: Desk) -> None:
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    desk.note_use({key.id: NOW + 9, "key_unknown": NOW})
    desk.note_use({key.id: NOW + 3})
    assert [kept.last_used_at_ms for kept in desk.list_keys()] == [NOW + 9]


LIMITS = Limits(requests_per_minute=60, budget_month_usd=20.0)


def record_of(desk: Desk, key_id: str, now_ms: int = NOW) -> KeyRecord:
    (found,) = (record for record in desk.key_records(now_ms) if record.id == key_id)
    return found


def test_limits_and_priority_are_kept_and_published(desk: Desk) -> None:
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", limits=LIMITS, priority="low", now_ms=NOW)
    record = record_of(desk, key.id)
    assert (record.limits, record.priority, record.counted_as) == (LIMITS, "low", None)
    (listed,) = desk.list_keys()
    assert (listed.limits, listed.priority) == (LIMITS, "low")


def test_a_changed_key_is_the_same_key_with_other_limits(engine: Engine) -> None:
    changes = Changes()
    desk = make(engine, changed=changes)
    key, token = desk.create_key(LOCAL_CALLER, name="bot", limits=LIMITS, now_ms=NOW)
    more = Limits(requests_per_minute=600)
    changed = desk.update_key(
        LOCAL_CALLER, key.id, lambda old: replace(old, limits=more, priority="high", team="t"), now_ms=NOW + 1
    )
    assert (changed.limits, changed.priority, changed.team, changed.digest) == (more, "high", "t", key.digest)
    assert record_of(desk, key.id).limits == more
    assert desk.identify(token.text, NOW).team == "t"
    assert changes.last_ms == NOW + 1


def test_who_may_change_a_key_and_which(desk: Desk) -> None:
    key, _ = desk.create_key(LOCAL_CALLER, name="bot", role="root", now_ms=NOW)
    for role in ("member", "admin"):
        with pytest.raises(PermissionDeniedError):
            desk.update_key(replace(LOCAL_CALLER, role=role), key.id, lambda old: old, now_ms=NOW)
    with pytest.raises(InvalidRequestError):
        desk.update_key(LOCAL_CALLER, key.id, lambda old: replace(old, name=" "), now_ms=NOW)
    desk.revoke_key(LOCAL_CALLER, key.id, now_ms=NOW)
    with pytest.raises(ConflictError):
        desk.update_key(LOCAL_CALLER, key.id, lambda old: old, now_ms=NOW)
    with pytest.raises(NotFoundError):
        desk.update_key(LOCAL_CALLER, "key_none", lambda old: old, now_ms=NOW)


def test_neither_rotation_nor_a_session_gives_a_limit_anew(desk: Desk) -> None:
    first, _ = desk.create_key(LOCAL_CALLER, name="bot", limits=LIMITS, priority="low", now_ms=NOW)
    second, _ = desk.rotate_key(LOCAL_CALLER, first.id, grace_s=0, now_ms=NOW)
    third, token = desk.rotate_key(LOCAL_CALLER, second.id, grace_s=60, now_ms=NOW)
    session, _ = desk.open_session(desk.identify(token.text, NOW), now_ms=NOW)
    desk.update_key(LOCAL_CALLER, third.id, lambda key: replace(key, models=("a",), team="t"), now_ms=NOW)
    assert (record_of(desk, session.id).models, record_of(desk, session.id).team) == (("a",), "t")
    for key_id in (second.id, third.id, session.id):
        record = record_of(desk, key_id)
        assert (record.limits, record.priority, record.counted_as) == (LIMITS, "low", first.id)


def test_a_session_of_a_key_never_rotated_counts_as_the_key(desk: Desk) -> None:
    key, token = desk.create_key(LOCAL_CALLER, name="bot", now_ms=NOW)
    session, _ = desk.open_session(desk.identify(token.text, NOW), now_ms=NOW)
    assert record_of(desk, session.id).counted_as == key.id
