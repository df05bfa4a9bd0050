"""`POST /v1/messages/count_tokens`: how many tokens a prompt is, as the model's provider or engine counts.

A provider of Anthropic's dialect and an engine of ours are asked. For any other the answer is an estimate (a
token for each four bytes of text, and a little for each message and tool), and says so in the member
`estimated` and the header `x-pilothouse-token-count`. It is no call of a model: it is neither limited nor
recorded. Refuses to know how tokens are made. Invariant: an estimate is never given out as a count.
"""

import msgspec

from pilothouse.contracts.errors import (
    ApiError,
    NotFoundError,
    PermissionDeniedError,
    UpstreamError,
)
from pilothouse.gateway import edits
from pilothouse.gateway.answers import OK, error_bytes, whole
from pilothouse.gateway.authenticate import caller_of
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.dialects import anthropic_wire
from pilothouse.gateway.dialects.catalogue import ANTHROPIC_CLIENT
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.ids import new_call_id, usable_request_id
from pilothouse.gateway.read import invalid, not_json
from pilothouse.gateway.request import Request
from pilothouse.gateway.route import require_allowed
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.wire import encode
from pilothouse.network.errors import BadResponseError, NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead

OPERATION = "count_tokens"
MOST_ANSWER_BYTES = 1_048_576
BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
COUNTED = b"x-pilothouse-token-count: counted\r\n"
ESTIMATED = b"x-pilothouse-token-count: estimated\r\n"


class _Count(msgspec.Struct):
    input_tokens: int


_decode_count = msgspec.json.Decoder(_Count).decode


def count_tokens(state: GatewayState, client: ClientConnection, request: Request) -> None:
    """Answers now, or when the provider or engine has.

    Raises:
        ApiError: The caller may not, or asks for what is not there.
    """
    key = caller_of(request.method, request.headers, state, now_ns=request.at_ns)
    if key.role == "viewer":
        raise PermissionDeniedError(
            "This key may look but not call models.", hint="Use a key of the role member or above."
        )
    prompt = _decode(request.body)
    require_allowed(key, prompt.model)
    route = state.directory.route(prompt.model)
    if route is None or route.kind == "embedding":
        raise NotFoundError(
            f"There is no model {prompt.model[:200]!r} here that takes messages.",
            hint="GET /v1/models lists the models there are.",
            code="model_not_found",
            param="model",
        )
    counting = Counting(state, client, request, prompt)
    target = _counter_of(route)
    if target is None:
        counting.estimate()
    else:
        counting.ask(target)


def estimate_of(prompt: anthropic_wire.Prompt) -> int:
    """Returns about how many tokens a prompt is."""
    system = prompt.system or ""
    size = len(system.encode()) if isinstance(system, str) else sum(_size(block) for block in system)
    for message in prompt.messages:
        content = message.content
        size += len(content.encode()) if isinstance(content, str) else sum(_size(block) for block in content)
    tools = prompt.tools or []
    for tool in tools:
        size += len(tool.input_schema) + len((tool.description or "").encode()) + len(tool.name or "")
    parts = len(prompt.messages) + len(tools) + bool(prompt.system)
    return size // BYTES_A_TOKEN + parts * TOKENS_A_MESSAGE


def _size(block: anthropic_wire.Block) -> int:
    if block.type in {"image", "document"}:
        return len(block.source) // 100  # about what Anthropic takes for an image, whose bytes are no text
    text = (block.text or "") + (block.thinking or "")
    return len(text.encode()) + len(block.input) + len(block.content)


def _decode(body: bytes) -> anthropic_wire.Prompt:
    try:
        return anthropic_wire.decode_prompt(body)
    except msgspec.ValidationError as error:
        raise invalid(error, api="Anthropic") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from error


def _counter_of(route: Route) -> Target | None:
    """Returns a deployment that can count."""
    for target in route.targets:
        if target.dialect is not None or target.is_engine:
            return target
    return None


class Counting:
    """One count that a deployment is asked for."""

    __slots__ = (
        "_body",
        "_client",
        "_exchange",
        "_prompt",
        "_request",
        "_request_id",
        "_size",
        "_state",
        "_status",
        "_target",
    )

    def __init__(
        self,
        state: GatewayState,
        client: ClientConnection,
        request: Request,
        prompt: anthropic_wire.Prompt,
    ) -> None:
        self._state = state
        self._client = client
        self._request = request
        self._prompt = prompt
        self._request_id = usable_request_id(request.headers.get(b"x-request-id")) or new_call_id(
            request.at_ns
        )
        self._target: Target | None = None
        self._exchange: Exchange | None = None
        self._status = 0
        self._body: list[bytes] = []
        self._size = 0

    def ask(self, target: Target) -> None:
        """Asks a deployment."""
        body = edits.replace_model(
            edits.canonical(self._request.body), edits.name_as_json(self._prompt.model), target.model_json
        )
        head = target.heads[OPERATION]
        exchange = Exchange(b"%b%d\r\n\r\n%b" % (head, len(body), body), self, self._state.deadlines)
        self._target, self._exchange = target, exchange
        self._client.occupant = self
        try:
            target.origin.send(exchange)
        except PoolFullError:
            self._exchange = None
            self.estimate()

    def estimate(self) -> None:
        """Answers with an estimate."""
        said = {"input_tokens": estimate_of(self._prompt), "estimated": True}
        self._answer(
            whole(OK, encode(said), extra=self._ids() + ESTIMATED, will_close=self._client.will_close)
        )

    # -- what the deployment says -------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """Keeps the status."""
        self._status = head.status

    def on_body(self, data: bytes) -> None:
        """Keeps a piece of the body, up to the limit."""
        self._body.append(data)
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            self.on_client_gone()
            self.on_end(BadResponseError("the answer is over the limit"))

    def on_end(self, error: NetworkError | None) -> None:
        """Answers."""
        self._exchange = None
        target = self._target
        assert target is not None
        body = b"".join(self._body)
        if error is None and self._status == OK:
            try:
                said = {"input_tokens": _decode_count(body).input_tokens}
            except msgspec.DecodeError:
                self._settle(target, body)
                return
            self._answer(
                whole(OK, encode(said), extra=self._ids() + COUNTED, will_close=self._client.will_close)
            )
            return
        self._settle(target, body if error is None else b"")

    # -- what the client does -----------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Gives the count up."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def on_client_paused(self) -> None:
        """Does nothing: the answer is small."""

    def on_client_resumed(self) -> None:
        """Does nothing."""

    # -- inside -------------------------------------------------------------------------------------

    def _settle(self, target: Target, body: bytes) -> None:
        """Estimates where an engine of ours does not count, and passes a provider's refusal on."""
        if target.dialect is None:
            self.estimate()
            return
        if self._status in {0, OK}:
            fault: ApiError = UpstreamError(
                f"The provider {target.provider!r} did not count the tokens.", hint="Try again."
            )
        else:
            fault = target.dialect.error_of(
                self._status,
                body,
                provider=target.provider,
                secrets=self._state.secrets,
                retry_after=None,
            )
        said = ANTHROPIC_CLIENT.error(fault, request_id=self._request_id)
        self._answer(error_bytes(fault, extra=self._ids(), will_close=self._client.will_close, body=said))

    def _answer(self, answer: bytes) -> None:
        self._client.complete(answer)

    def _ids(self) -> bytes:
        request_id = self._request_id.encode()
        return b"x-request-id: %b\r\nrequest-id: %b\r\n" % (request_id, request_id)
