"""The front door: which part answers which path.

    POST /v1/chat/completions, /v1/completions, /v1/embeddings    the pipeline
    POST /v1/responses, /v1/messages                              the pipeline, in their own dialects
    POST /v1/messages/count_tokens                                counting.py
    POST /v1/traces, /v1/metrics, /v1/logs                        intake.py
    POST /v1/feedback                                             feedback.py
    GET  /v1/models, /v1/models/{id}                              catalogue.py
    GET  /livez, /readyz, /version                                health.py
    everything else                                               control, through forward.py

Refuses to know how any of them answers. Invariant: an error is answered in the shape of who asks: Anthropic's
under `/v1/messages` and where its version is in a header, else OpenAI's.
"""

import logging
from collections.abc import Callable

from pilothouse.contracts.errors import (
    ApiError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.contracts.events import Operation
from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.gateway import catalogue, wire
from pilothouse.gateway.answers import error_bytes, whole
from pilothouse.gateway.authenticate import caller_of, require_own_page, session_cookie
from pilothouse.gateway.client import ClientConnection, Upload
from pilothouse.gateway.counting import count_tokens
from pilothouse.gateway.dialects.catalogue import ANTHROPIC_CLIENT, RESPONSES_CLIENT
from pilothouse.gateway.dialects.client import ClientDialect
from pilothouse.gateway.feedback import PATH as FEEDBACK
from pilothouse.gateway.feedback import give_feedback
from pilothouse.gateway.forward import STREAMED_BODY_BYTES, Forwarding
from pilothouse.gateway.health import Health
from pilothouse.gateway.ids import new_call_id, usable_request_id
from pilothouse.gateway.intake import SIGNALS, Intake
from pilothouse.gateway.pipeline import take
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState

CALLS: dict[bytes, tuple[Operation, ClientDialect | None]] = {
    b"/v1/chat/completions": ("chat", None),
    b"/v1/completions": ("text_completion", None),
    b"/v1/embeddings": ("embeddings", None),
    b"/v1/responses": ("chat", RESPONSES_CLIENT),
    b"/v1/messages": ("chat", ANTHROPIC_CLIENT),
}
COUNT_TOKENS = b"/v1/messages/count_tokens"
MESSAGES = b"/v1/messages"
ANTHROPIC_VERSION = b"anthropic-version"
RESPONSES = b"/v1/responses/"
READS = frozenset((b"GET", b"HEAD"))

logger = logging.getLogger(__name__)
Answer = Callable[[Request], tuple[int, bytes]]


class FrontDoor:
    """Takes every request of a worker."""

    def __init__(self, state: GatewayState, health: Health, intake: Intake) -> None:
        self._state = state
        self._intake = intake
        self._local: dict[bytes, Answer] = {
            b"/livez": lambda _: (200, b'{"status":"live"}'),
            b"/readyz": lambda _: self._readyz(health),
            b"/version": lambda _: (200, wire.encode({"version": state.process.version})),
            catalogue.PATH: lambda request: (200, self._models(request)),
        }

    def is_upload(self, target: bytes, headers: dict[bytes, bytes]) -> bool:
        """Says whether a body is for control and large; calls are read whole first."""
        if target.startswith(b"/v1/") or target.partition(b"?")[0] in self._local:
            return False
        length = headers.get(b"content-length")
        return length is None or int(length) > STREAMED_BODY_BYTES

    def open_upload(self, request: Request, client: ClientConnection) -> Upload | None:
        """Begins to stream a large body to control."""
        try:
            self._require_own_page(request)
        except ApiError:
            return None  # it is refused when it is handled
        forwarding = Forwarding(self._state, client, request)
        forwarding.start(is_streamed=True)
        return forwarding

    def handle(self, request: Request, client: ClientConnection) -> None:
        """Gives a request to the part that answers it."""
        asked = CALLS.get(request.target) or CALLS.get(request.path)
        if asked is not None and request.method == b"POST":
            take(self._state, client, request, asked[0], asked[1])
            return
        if request.path in SIGNALS:
            self._intake.take(client, request)
            return
        try:
            self._handle_other(request, client, is_call=asked is not None)
        except ApiError as error:
            self._answer(request, client, error)
        except Exception:  # the border of the process: one request's fault must not end the worker
            logger.exception("the gateway failed on %r", request.path)
            self._answer(request, client, InternalError("The gateway met a fault of its own."))

    def _handle_other(self, request: Request, client: ClientConnection, *, is_call: bool) -> None:
        if request.fault is not None:
            raise request.fault
        path = request.path
        if path == COUNT_TOKENS and request.method == b"POST":
            count_tokens(self._state, client, request)
            return
        if path == FEEDBACK:
            give_feedback(self._state, client, request)
            return
        if is_call or path == COUNT_TOKENS:
            raise MethodNotAllowedError(f"{_text(path)} takes POST only.", hint="Send a JSON body with POST.")
        if path in self._local or path.startswith(catalogue.PATH + b"/"):
            self._handle_local(request, client)
            return
        if path == b"/v1" or path.startswith(b"/v1/"):
            raise _unknown(path)
        self._require_own_page(request)
        Forwarding(self._state, client, request).start(is_streamed=False)

    def _handle_local(self, request: Request, client: ClientConnection) -> None:
        if request.method not in READS:
            raise MethodNotAllowedError(f"{_text(request.path)} takes GET only.", hint="Use GET.")
        answer = self._local.get(request.path, self._model)
        status, body = answer(request)
        self._write(
            request,
            client,
            whole(status, body, extra=_id_lines(request, _request_id(request)), will_close=client.will_close),
        )

    def _answer(self, request: Request, client: ClientConnection, error: ApiError) -> None:
        request_id = _request_id(request)
        body = ANTHROPIC_CLIENT.error(error, request_id=request_id) if is_anthropic(request) else None
        extra = _id_lines(request, request_id)
        self._write(request, client, error_bytes(error, extra=extra, will_close=client.will_close, body=body))

    @staticmethod
    def _write(request: Request, client: ClientConnection, answer: bytes) -> None:
        if request.method == b"HEAD":
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        client.complete(answer)

    @staticmethod
    def _readyz(health: Health) -> tuple[int, bytes]:
        readiness = health.readiness()
        status = UnavailableError.status if readiness.reasons else 200
        return status, wire.encode(readiness)

    def _models(self, request: Request) -> bytes:
        caller = self._caller(request)
        return catalogue.models_body(self._state.directory, caller, is_anthropic=is_anthropic(request))

    def _model(self, request: Request) -> tuple[int, bytes]:
        caller = self._caller(request)
        said = catalogue.model_body(
            self._state.directory, caller, request.path, is_anthropic=is_anthropic(request)
        )
        return 200, said

    def _caller(self, request: Request) -> KeyRecord:
        return caller_of(request.method, request.headers, self._state, now_ns=request.at_ns)

    def _require_own_page(self, request: Request) -> None:
        if session_cookie(request.headers) is not None:
            require_own_page(request.method, request.headers, self._state)


def is_anthropic(request: Request) -> bool:
    """Says whether a client of Anthropic's asks."""
    return request.path.startswith(MESSAGES) or ANTHROPIC_VERSION in request.headers


def _request_id(request: Request) -> str:
    return usable_request_id(request.headers.get(b"x-request-id")) or new_call_id(request.at_ns)


def _id_lines(request: Request, request_id: str) -> bytes:
    line = b"x-request-id: %b\r\n" % request_id.encode()
    return b"%brequest-id: %b\r\n" % (line, request_id.encode()) if is_anthropic(request) else line


def _unknown(path: bytes) -> NotFoundError:
    if path.startswith(RESPONSES):
        return NotFoundError(
            f"There is no {_text(path)} here: responses are not kept.",
            hint="POST /v1/responses answers at once, from what is sent with it.",
            code="unknown_path",
        )
    return NotFoundError(
        f"There is no {_text(path)} here.",
        hint="There is /v1/chat/completions, /v1/responses, /v1/messages, /v1/completions, /v1/embeddings "
        "and /v1/models.",
        code="unknown_path",
    )


def _text(path: bytes) -> str:
    return path[:200].decode("latin-1")
