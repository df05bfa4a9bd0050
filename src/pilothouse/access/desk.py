"""The desk where keys, sessions and sign-in links are given out, shown again and taken back.

Refuses to know HTTP, and what is done with a change: it only says that there was one. Invariant: each verb
is one transaction; the change is announced after it is committed and before the verb returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from hmac import compare_digest

from sqlalchemy import Connection, Engine

from pilothouse.access import repository
from pilothouse.access.keys import LOCAL_CALLER, LOCAL_ISSUER, Caller, Key, Session, SigninLink
from pilothouse.access.roles import lesser, require
from pilothouse.access.settings import AccessSettings
from pilothouse.access.tokens import ROOT_KEY_ID, Token, digest, new_token
from pilothouse.contracts.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from pilothouse.contracts.snapshot import KeyRecord, RecordPolicy, Role
from pilothouse.contracts.traffic import NO_LIMITS, Limits, Priority

MAX_NAME_CHARACTERS = 200


class Desk:
    """All that is done with keys, sessions and links in one home."""

    def __init__(
        self,
        engine: Engine,
        *,
        pepper: bytes,
        root_key: str | None,
        settings: AccessSettings,
        changed: Callable[[int], None],
    ) -> None:
        """Opens the desk.

        Args:
            engine: The state database.
            pepper: The secret under which tokens are hashed.
            root_key: Text of the root key, if there is one.
            settings: The `access:` section.
            changed: Called with the time, in Unix milliseconds, after each change to who may call.
        """
        self._engine = engine
        self._pepper = pepper
        self._settings = settings
        self._changed = changed
        self._root = _root_key(pepper, root_key) if root_key else None

    def key_records(self, now_ms: int) -> tuple[KeyRecord, ...]:
        """Returns everyone who may call at `now_ms`: the root key, active keys and open sessions."""
        with self._engine.connect() as connection:
            known = repository.list_keys(connection)
            sessions = repository.open_sessions(connection, now_ms)
        came_from = {key.id: key.rotated_from for key in known}
        keys = [key.key_record(_origin(key.id, came_from)) for key in known if key.is_active(now_ms)]
        issuers: dict[str, KeyRecord | None] = {LOCAL_ISSUER: None} | {key.id: key for key in keys}
        if self._root is not None:
            keys.insert(0, self._root.key_record())
            issuers[self._root_issuer()] = None
        opened = [s.key_record(issuers[s.issuer]) for s in sessions if s.issuer in issuers]
        return (*keys, *opened)

    def identify(self, text: str, now_ms: int) -> Caller:
        """Returns whose key or session token this is.

        Raises:
            AuthenticationError: It is nobody's, or no longer.
        """
        given = digest(self._pepper, text)
        if self._root is not None and compare_digest(self._root.digest, given):
            return self._root_caller()
        with self._engine.connect() as connection:
            key = repository.find_key_by_digest(connection, given)
            if key is not None:
                _require_active(key, now_ms)
                return key.caller()
            session = repository.find_session_by_digest(connection, given)
            if session is not None and self._is_open(connection, session, now_ms):
                return session.caller()
        raise AuthenticationError(
            "This API key or session is not known.",
            hint="Check the key, or make one with `pilothouse keys create NAME`; a session lasts 12 hours.",
        )

    def create_key(
        self,
        caller: Caller,
        *,
        name: str,
        role: Role = "member",
        team: str | None = None,
        models: tuple[str, ...] | None = None,
        expires_at_ms: int | None = None,
        record: RecordPolicy | None = None,
        limits: Limits = NO_LIMITS,
        priority: Priority = "normal",
        now_ms: int,
    ) -> tuple[Key, Token]:
        """Makes a key. Its text is in the token returned, and nowhere else from then on.

        Raises:
            PermissionDeniedError: The caller may not manage keys, or not give this role.
            InvalidRequestError: The name is empty or too long, or the expiry is past.
        """
        require(caller.role, "admin")
        require(caller.role, role)
        _require_name(name)
        if expires_at_ms is not None and expires_at_ms <= now_ms:
            raise InvalidRequestError(
                f"expires_at_ms is {expires_at_ms}, which is past.",
                param="expires_at_ms",
                hint="Give Unix milliseconds in the future, or null for a key that does not expire.",
            )
        token = new_token("key", self._pepper)
        key = Key(
            id=token.id,
            name=name.strip(),
            role=role,
            prefix=token.prefix,
            digest=token.digest,
            created_at_ms=now_ms,
            created_by=caller.id,
            team=team,
            models=models,
            record=record,
            expires_at_ms=expires_at_ms,
            limits=limits,
            priority=priority,
        )
        with self._engine.begin() as connection:
            repository.ensure_default_project(connection, now_ms)
            repository.add_key(connection, key)
        self._changed(now_ms)
        return key, token

    def list_keys(self) -> list[Key]:
        """Returns all keys ever made here, newest first."""
        with self._engine.connect() as connection:
            return repository.list_keys(connection)

    def names(self) -> dict[str, str]:
        """Returns the name of each key and session, by the id that the record of calls has."""
        with self._engine.connect() as connection:
            return {ROOT_KEY_ID: "root"} | repository.names(connection)

    def update_key(self, caller: Caller, key_id: str, change: Callable[[Key], Key], *, now_ms: int) -> Key:
        """Changes what holds for a key's calls; it stays the same key.

        Args:
            caller: Who wants it.
            key_id: Which key.
            change: Returns the key as it shall be; its name, team, models, limits and priority are taken.
            now_ms: The time.

        Raises:
            NotFoundError: There is no such key.
            ConflictError: The key has ended.
            InvalidRequestError: The name is empty or too long.
            PermissionDeniedError: The caller may not manage keys, or the key's role is above theirs.
        """
        require(caller.role, "admin")
        with self._engine.begin() as connection:
            key = self._key(connection, key_id)
            require(caller.role, key.role)
            if not key.is_active(now_ms):
                raise ConflictError(
                    f"The key {key_id} is revoked or expired.",
                    hint="Make a new key with `pilothouse keys create NAME`.",
                )
            key = change(key)
            _require_name(key.name)
            repository.update_key(connection, key)
        self._changed(now_ms)
        return key

    def revoke_key(self, caller: Caller, key_id: str, *, now_ms: int) -> Key:
        """Ends a key and the sessions opened with it. A second time changes nothing.

        Raises:
            NotFoundError: There is no such key.
            PermissionDeniedError: The caller may not manage keys, or the key's role is above theirs.
        """
        require(caller.role, "admin")
        with self._engine.begin() as connection:
            key = self._key(connection, key_id)
            require(caller.role, key.role)
            if key.revoked_at_ms is None:
                key = replace(key, revoked_at_ms=now_ms)
                repository.update_key(connection, key)
                repository.end_sessions_of(connection, key.id, now_ms)
        self._changed(now_ms)
        return key

    def rotate_key(self, caller: Caller, key_id: str, *, grace_s: int, now_ms: int) -> tuple[Key, Token]:
        """Makes a key like another one, which works for `grace_s` seconds more.

        Raises:
            NotFoundError: There is no such key.
            ConflictError: The key is revoked, expired or already rotated.
            PermissionDeniedError: The caller may not manage keys, or the key's role is above theirs.
        """
        require(caller.role, "admin")
        token = new_token("key", self._pepper)
        with self._engine.begin() as connection:
            old = self._key(connection, key_id)
            require(caller.role, old.role)
            if not old.is_active(now_ms) or repository.is_rotated(connection, old.id):
                raise ConflictError(
                    f"The key {key_id} is revoked, expired or already rotated.",
                    hint="Make a new key with `pilothouse keys create NAME`.",
                )
            new = replace(
                old,
                id=token.id,
                prefix=token.prefix,
                digest=token.digest,
                created_at_ms=now_ms,
                created_by=caller.id,
                last_used_at_ms=None,
                rotated_from=old.id,
            )
            repository.add_key(connection, new)
            repository.update_key(connection, _ending(old, grace_s, now_ms))
            if grace_s == 0:
                repository.end_sessions_of(connection, old.id, now_ms)
        self._changed(now_ms)
        return new, token

    def open_session(self, caller: Caller, *, now_ms: int) -> tuple[Session, Token]:
        """Opens a browser session that may do what `caller` may."""
        with self._engine.begin() as connection:
            session, token = self._add_session(connection, caller, now_ms)
        self._changed(now_ms)
        return session, token

    def end_session(self, session_id: str, *, now_ms: int) -> None:
        """Ends a session; one that has ended stays ended."""
        with self._engine.begin() as connection:
            repository.end_session(connection, session_id, now_ms)
        self._changed(now_ms)

    def create_link(self, caller: Caller, *, now_ms: int) -> tuple[SigninLink, Token]:
        """Makes a link that opens one session with at most the role of an admin.

        Raises:
            PermissionDeniedError: The caller is not an admin.
        """
        require(caller.role, "admin")
        token = new_token("link", self._pepper)
        link = SigninLink(
            id=token.id,
            digest=token.digest,
            issuer=caller.issuer,
            name=caller.name,
            role=lesser(caller.role, "admin"),
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self._settings.signin_link_s * 1000,
        )
        with self._engine.begin() as connection:
            repository.add_link(connection, link)
        return link, token

    def use_link(self, text: str, *, now_ms: int) -> tuple[Session, Token]:
        """Opens the session of a sign-in link, which works once.

        Raises:
            AuthenticationError: The link is unknown, used or too old.
        """
        with self._engine.begin() as connection:
            link = repository.take_link(connection, digest(self._pepper, text), now_ms)
            issuer = self._issuer(connection, link.issuer, now_ms) if link else None
            if link is None or issuer is None:
                raise AuthenticationError(
                    "This sign-in link is used, too old or unknown.",
                    hint="A link works once, for 15 minutes. Make a new one with `pilothouse signin`.",
                    code="invalid_signin_link",
                )
            caller = replace(issuer, role=lesser(link.role, issuer.role))
            session, token = self._add_session(connection, caller, now_ms)
        self._changed(now_ms)
        return session, token

    def forget_expired(self, now_ms: int) -> int:
        """Deletes sessions and links that are past, and returns how many; keys stay as a record."""
        with self._engine.begin() as connection:
            return repository.delete_expired(connection, now_ms)

    def note_use(self, last_used_at_ms: dict[str, int]) -> None:
        """Keeps when each key was last seen; a time earlier than the one kept is ignored."""
        if last_used_at_ms:
            with self._engine.begin() as connection:
                repository.note_use(connection, last_used_at_ms)

    def _add_session(self, connection: Connection, caller: Caller, now_ms: int) -> tuple[Session, Token]:
        token = new_token("session", self._pepper)
        session = Session(
            id=token.id,
            digest=token.digest,
            issuer=caller.issuer,
            name=caller.name,
            role=caller.role,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self._settings.session_s * 1000,
            team=caller.team,
            models=caller.models,
        )
        repository.add_session(connection, session)
        return session, token

    def _is_open(self, connection: Connection, session: Session, now_ms: int) -> bool:
        return now_ms < session.expires_at_ms and self._issuer(connection, session.issuer, now_ms) is not None

    def _issuer(self, connection: Connection, issuer: str, now_ms: int) -> Caller | None:
        """Returns the caller on whose right a session or link hangs, or `None` when that right has ended."""
        if issuer == LOCAL_ISSUER:
            return LOCAL_CALLER
        if issuer.startswith(f"{ROOT_KEY_ID}:"):
            return self._root_caller() if self._root and issuer == self._root_issuer() else None
        key = repository.find_key(connection, issuer)
        return key.caller() if key is not None and key.is_active(now_ms) else None

    def _root_caller(self) -> Caller:
        assert self._root is not None
        return replace(self._root.caller(), issuer=self._root_issuer())

    def _root_issuer(self) -> str:
        """Names the root key by its digest too, so that changing it ends the sessions opened with the old."""
        assert self._root is not None
        return f"{ROOT_KEY_ID}:{self._root.digest[:8].hex()}"

    def _key(self, connection: Connection, key_id: str) -> Key:
        key = repository.find_key(connection, key_id)
        if key is None:
            raise NotFoundError(
                f"There is no key with the id {key_id!r}.",
                hint="`pilothouse keys list` shows the ids. The root key is changed where Pilothouse starts.",
                param="key_id",
            )
        return key


def _root_key(pepper: bytes, text: str) -> Key:
    return Key(
        id=ROOT_KEY_ID,
        name="root",
        role="root",
        prefix="",
        digest=digest(pepper, text),
        created_at_ms=0,
        created_by="operator",
    )


def _origin(key_id: str, came_from: Mapping[str, str | None]) -> str | None:
    """Returns the first key that this one came from by rotation, `None` when it came from none."""
    origin, before = key_id, came_from.get(key_id)
    while before is not None:
        origin, before = before, came_from.get(before)
    return origin if origin != key_id else None


def _ending(key: Key, grace_s: int, now_ms: int) -> Key:
    """Returns `key` as it ends after a grace time, or at once; never later than it would have anyway."""
    if grace_s == 0:
        return replace(key, revoked_at_ms=now_ms)
    end_ms = now_ms + grace_s * 1000
    return replace(key, expires_at_ms=min(end_ms, key.expires_at_ms or end_ms))


def _require_active(key: Key, now_ms: int) -> None:
    if key.is_active(now_ms):
        return
    what = "is revoked" if key.revoked_at_ms is not None else "has expired"
    raise AuthenticationError(
        f"The API key {key.id} {what}.",
        hint="Use another key, or make one with `pilothouse keys create NAME`.",
        code="key_revoked" if key.revoked_at_ms is not None else "key_expired",
    )


def _require_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidRequestError(
            "A key's name must have between 1 and 200 characters.",
            param="name",
            hint="Name it after what will use it, for example `support-bot`.",
        )
