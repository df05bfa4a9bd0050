"""Which call goes which way: plain ones through the pump, the others to what adds what llama.cpp lacks.

Refuses to know how anything is computed. Invariant: a call is decoded only as far as the choice needs, and
every error leaves in OpenAI's shape.
"""

import logging

import msgspec

from pilothouse.contracts.errors import ApiError, InvalidRequestError, MethodNotAllowedError, NotFoundError
from pilothouse.contracts.snapshot import EngineSpec
from pilothouse.serving.llama_cpp.chat import Chat, ChatPeek
from pilothouse.serving.llama_cpp.completions import CompletionPeek, Completions
from pilothouse.serving.llama_cpp.echo import Echo
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.listener import Connection, Handler, Request
from pilothouse.serving.llama_cpp.pump import pump
from pilothouse.serving.llama_cpp.refusals import error_answer
from pilothouse.serving.llama_cpp.wire import RefusedError, decode_json

__all__ = ["Front"]

logger = logging.getLogger(__name__)

PASSED = {
    "/health": "GET",
    "/metrics": "GET",
    "/tokenize": "POST",
    "/detokenize": "POST",
    "/v1/messages/count_tokens": "POST",
}
"""llama.cpp's own paths that this machine's own processes may use, with their methods."""


_chat_peek = msgspec.json.Decoder(ChatPeek)
_completion_peek = msgspec.json.Decoder(CompletionPeek)


class Front:
    """The engine's own API."""

    def __init__(self, spec: EngineSpec, inner: Inner) -> None:
        self._spec = spec
        self._inner = inner
        self._chats = Chat(inner)
        self._completions = Completions(inner, Echo(inner, spec.parallel), spec.alias, spec.parallel)
        self._routes: dict[str, Handler] = (
            {"/v1/embeddings": self._embed}
            if spec.kind == "embedding"
            else {"/v1/chat/completions": self._chat, "/v1/completions": self._complete}
        )

    async def __call__(self, request: Request, client: Connection) -> None:
        """Answers one request."""
        try:
            await self._route(request, client)
        except* ApiError as faults:
            _refuse(client, _first(faults))
        except* msgspec.DecodeError as faults:
            reason = _first(faults)
            _refuse(client, InvalidRequestError(f"The body cannot be read: {reason}."))

    async def _route(self, request: Request, client: Connection) -> None:
        path = request.path
        if PASSED.get(path) == request.method:
            await pump(self._inner, request.method, path, request.body, client)
            return
        handler = self._routes.get(path)
        if handler is None:
            raise NotFoundError(f"This engine has no {path}.", hint=f"It has {', '.join(self._routes)}.")
        if request.method != "POST":
            raise MethodNotAllowedError(f"{path} wants POST, not {request.method}.")
        await handler(request, client)

    async def _embed(self, request: Request, client: Connection) -> None:
        if decode_json(request.body).get("dimensions") is not None:
            raise InvalidRequestError(
                "This model's embeddings have one size; `dimensions` is not supported.", param="dimensions"
            )
        await pump(self._inner, "POST", request.path, request.body, client)

    async def _chat(self, request: Request, client: Connection) -> None:
        peek = _chat_peek.decode(request.body)
        peek.check()
        if not peek.is_plain:
            await self._chats.answer(request.body, client)
            return
        body = request.body
        if peek.logprobs and peek.top_logprobs is None:
            # llama.cpp's own default is 20 alternatives to each token, which nobody asked for
            body = body.rstrip()[:-1] + b',"top_logprobs":1}'
        await pump(self._inner, "POST", request.path, body, client)

    async def _complete(self, request: Request, client: Connection) -> None:
        if _completion_peek.decode(request.body).is_plain:
            await pump(self._inner, "POST", request.path, request.body, client)
        else:
            await self._completions.answer(request.body, client)


def _refuse(client: Connection, fault: Exception) -> None:
    """Answers with an error; breaks the connection when an answer has begun already."""
    if client.has_begun:
        logger.warning("an answer was cut: %s", fault)
        client.abort()
    elif isinstance(fault, RefusedError):
        client.answer(fault.passed_status, fault.passed_body)
    elif isinstance(fault, ApiError):
        client.answer(*error_answer(fault))


def _first(faults: BaseExceptionGroup[Exception]) -> Exception:
    """Returns the first single error of a group of groups."""
    for fault in faults.exceptions:
        return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
    raise AssertionError("a group of errors is never empty")
