"""`POST /v1/traces`, `/v1/metrics`, `/v1/logs`: what applications send as OpenTelemetry data by OTLP/HTTP.

    checked in a thread (size, gzip, shape, ids) → written to a journal of its own, as the bytes that came,
    sealed → synced to disk together with what else came meanwhile → answered

Nothing is decoded here beyond what the check needs: control's decoders do that later. The journal is opened
with the first request, so that a home without senders pays nothing. See https://opentelemetry.io/docs/specs/otlp/.

Refuses to know what a span means. Invariant: a 200 leaves after what it answers has reached the disk; what is
refused was not kept.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pilothouse.contracts.errors import (
    ApiError,
    InternalError,
    InvalidRequestError,
    JournalError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitedError,
    UnavailableError,
)
from pilothouse.contracts.events import Content, Encoding, Signal, TelemetryReceived
from pilothouse.gateway.answers import OK, error_bytes, whole
from pilothouse.gateway.authenticate import caller_of
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.ids import new_call_id
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.otlp.answer import CONTENT_TYPES, status_body, success_body
from pilothouse.telemetry.otlp.check import Checked, check, unpack
from pilothouse.telemetry.settings import JournalSettings

if TYPE_CHECKING:
    from pilothouse.contracts.snapshot import KeyRecord

__all__ = ["SIGNALS", "Intake", "Sending"]

SIGNALS: dict[bytes, Signal] = {b"/v1/traces": "traces", b"/v1/metrics": "metrics", b"/v1/logs": "logs"}
ENCODINGS: dict[bytes, Encoding] = {b"application/x-protobuf": "protobuf", b"application/json": "json"}
SEGMENT_BYTES = 64 * 1024 * 1024
MOST_WAITING_BYTES = 64 * 1024 * 1024
"""Bodies that are being checked or synced, in memory; above it senders are told to come back."""
COME_BACK_S = 2
GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}
"""The gRPC code that each HTTP status says in a `google.rpc.Status`; 13, internal, for all others."""
INTERNAL = 13

logger = logging.getLogger(__name__)


class Sending:
    """One request that is being taken in."""

    __slots__ = ("body", "client", "encoding", "is_gone", "is_gzipped", "key", "request", "signal")

    def __init__(self, client: ClientConnection, request: Request, signal: Signal) -> None:
        self.client = client
        self.request = request
        self.signal = signal
        self.encoding: Encoding = "protobuf"
        self.is_gzipped = False
        self.body = request.body
        self.key: KeyRecord | None = None
        self.is_gone = False
        """Nobody will read the answer."""

    def on_client_gone(self) -> None:
        """Learns that nobody will read the answer; what was sent is kept all the same."""
        self.is_gone = True

    def on_client_paused(self) -> None:
        """Nothing to do: the answer is short."""

    def on_client_resumed(self) -> None:
        """Nothing to do, as above."""


class Intake:
    """Takes in what applications send to one worker."""

    def __init__(self, state: GatewayState, keyring: Keyring) -> None:
        self._state = state
        self._keyring = keyring
        self._settings = state.process.intake
        self._journal: Journal | None = None
        self._watching: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._checking = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._unsynced: list[tuple[Sending, Checked]] = []
        self._waiting_bytes = 0
        self.batches_total = 0
        self.items_total = 0
        self.rejected_total = 0
        self.refused_total = 0

    def take(self, client: ClientConnection, request: Request) -> None:
        """Takes a request whose path is one of `SIGNALS`; the answer is written when it is on disk."""
        sending = Sending(client, request, SIGNALS[request.path])
        try:
            self._admit(sending)
        except ApiError as error:
            self._refuse(sending, error)
            return
        client.occupant = sending
        self._waiting_bytes += len(sending.body)
        self._checking.submit(self._check, sending)

    async def close(self) -> None:
        """Answers what is under way and closes the journal."""
        self._checking.shutdown(wait=True)
        await asyncio.sleep(0)  # what the thread handed over last
        while self._syncing is not None:
            await asyncio.wait([self._syncing])
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _admit(self, sending: Sending) -> None:
        """Finds out who sends, in which encoding, and whether there is room.

        Raises:
            ApiError: It is not taken in.
        """
        request = sending.request
        if request.fault is not None:
            raise request.fault
        headers = request.headers
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        sending.encoding = ENCODINGS.get(kind, "protobuf")
        if request.method != b"POST":
            raise MethodNotAllowedError(
                f"{request.path.decode()} takes POST only.", hint="Send OTLP with POST."
            )
        if not self._settings.enabled:
            raise NotFoundError(
                "Telemetry is not taken in here.", hint="Set `telemetry.intake.enabled: true`."
            )
        sending.key = key = caller_of(request.method, headers, self._state, now_ns=request.at_ns)
        if key.role == "viewer":
            raise PermissionDeniedError(
                "This key may look but not send.", hint="Use a key of the role member or above."
            )
        if kind not in ENCODINGS:
            raise InvalidRequestError(
                f"The content-type {kind[:100].decode('latin-1')!r} is not OTLP's.",
                hint="Use application/x-protobuf or application/json.",
                code="unsupported_content_type",
            )
        packing = headers.get(b"content-encoding", b"identity").strip().lower()
        if packing not in {b"gzip", b"identity"}:
            raise InvalidRequestError(
                f"The content-encoding {packing[:100].decode('latin-1')!r} is not taken.",
                hint="Use gzip, or none.",
                code="unsupported_content_encoding",
            )
        sending.is_gzipped = packing == b"gzip"
        self._require_room(len(request.body))

    def _require_room(self, size: int) -> None:
        if size > self._settings.body_bytes:
            raise PayloadTooLargeError(
                f"The body is {size} bytes long; {self._settings.body_bytes} are taken at most.",
                hint="Send smaller batches, or raise telemetry.intake.body_bytes.",
            )
        if self._state.is_stopping:
            raise UnavailableError("This worker is stopping.", hint="Send it again.", retry_after_s=1)
        refusal = self._opened().refusal()
        if refusal is not None or self._waiting_bytes + size > MOST_WAITING_BYTES:
            raise RateLimitedError(
                f"Telemetry is not taken in for now: {refusal or 'too much is on its way at once'}.",
                hint="Send it again after the time in retry-after; exporters do so by themselves.",
                code="telemetry_pressure",
                retry_after_s=COME_BACK_S,
            )

    def _opened(self) -> Journal:
        if self._journal is None:
            process = self._state.process
            quota = max(self._settings.quota_bytes, 3 * self._segment_bytes())
            try:
                self._journal = Journal.open(
                    self._state.home.telemetry,
                    writer=f"telemetry-{process.worker}",
                    keyring=self._keyring,
                    settings=JournalSettings(
                        segment_bytes=self._segment_bytes(),
                        quota_bytes=quota,
                        reserve_bytes=process.journal.reserve_bytes,
                    ),
                )
            except JournalError as error:
                raise UnavailableError(
                    f"Telemetry cannot be kept: {error.message}", hint=error.hint, retry_after_s=COME_BACK_S
                ) from error
            self._watching = asyncio.create_task(self._journal.watch())
        return self._journal

    def _segment_bytes(self) -> int:
        return min(SEGMENT_BYTES, max(self._settings.quota_bytes // 4, 3 * self._settings.body_bytes))

    def _check(self, sending: Sending) -> None:
        """Runs in the thread."""
        found: Checked | ApiError
        try:
            most = self._settings.body_bytes
            body = unpack(sending.body, most) if sending.is_gzipped else sending.body
            found = check(sending.signal, sending.encoding, body)
        except ApiError as error:
            found = error
        except Exception:  # the border of the process: one sender's bytes must not end the thread
            logger.exception("telemetry could not be checked")
            found = InternalError("The gateway met a fault of its own.")
        self._state.loop.call_soon_threadsafe(self._checked, sending, found)

    def _checked(self, sending: Sending, found: Checked | ApiError) -> None:
        if isinstance(found, ApiError):
            self._end(sending, found)
            return
        if not found.items:
            self._answer(sending, found)
            return
        try:
            self._keep(sending, found)
        except JournalError as error:
            logger.warning("telemetry could not be kept: %s", error.message)
            full = RateLimitedError(
                "Telemetry cannot be kept for now.", hint="Send it again.", retry_after_s=COME_BACK_S
            )
            self._end(sending, full)
            return
        self._unsynced.append((sending, found))
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())

    def _keep(self, sending: Sending, found: Checked) -> None:
        request, key = sending.request, sending.key
        assert key is not None
        event = TelemetryReceived(
            batch_id=new_call_id(request.at_ns),
            at_ns=request.at_ns,
            signal=sending.signal,
            encoding=sending.encoding,
            is_gzipped=sending.is_gzipped,
            items=found.items,
            key_id=key.id,
            team=key.team,
            subject=key.id,
        )
        journal = self._opened()
        dropped = journal.contents_dropped_total
        journal.append(event, Content(request=sending.body))
        if journal.contents_dropped_total != dropped:
            raise JournalError("there is no room for it")
        self.batches_total += 1
        self.items_total += found.items
        self.rejected_total += found.rejected

    async def _sync(self) -> None:
        """Has all that was written reach the disk, as often as something was written meanwhile."""
        try:
            while self._unsynced:
                synced, self._unsynced = self._unsynced, []
                try:
                    await self._opened().sync()
                except OSError as error:
                    logger.warning("telemetry could not be synced: %s", error)
                    fault = UnavailableError("Telemetry cannot be kept for now.", retry_after_s=COME_BACK_S)
                    for sending, _ in synced:
                        self._end(sending, fault)
                    continue
                for sending, found in synced:
                    self._answer(sending, found)
        finally:
            self._syncing = None

    def _answer(self, sending: Sending, found: Checked) -> None:
        self._release(sending)
        if sending.is_gone:
            return
        body = success_body(sending.signal, sending.encoding, rejected=found.rejected, reason=found.reason)
        will_close = sending.client.will_close
        kind = CONTENT_TYPES[sending.encoding]
        sending.client.complete(whole(OK, body, content_type=kind, will_close=will_close))

    def _end(self, sending: Sending, error: ApiError) -> None:
        self._release(sending)
        self._refuse(sending, error)

    def _release(self, sending: Sending) -> None:
        self._waiting_bytes -= len(sending.body)
        sending.body = b""

    def _refuse(self, sending: Sending, error: ApiError) -> None:
        self.refused_total += 1
        if sending.is_gone:
            return
        message = f"{error.message} {error.hint}" if error.hint else error.message
        code = GRPC_CODES.get(error.status, INTERNAL)
        sending.client.complete(
            error_bytes(
                error,
                will_close=sending.client.will_close,
                body=status_body(sending.encoding, code=code, message=message),
                content_type=CONTENT_TYPES[sending.encoding],
            )
        )
