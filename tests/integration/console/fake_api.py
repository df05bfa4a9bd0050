"""A small stand-in for gateway and control: the built page, its JSON, its event stream, and a chat.

Refuses to know the real server. Invariant: the shapes are those of the management API; nothing here is slow.
Runs by itself too: `python -m tests.integration.console.fake_api --port 9100`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from tests.integration.console import fake_data, fake_screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

Json = dict[str, Any]
PAGE = Path(__file__).resolve().parents[3] / "src" / "pilothouse" / "console"
KEY = "ph_test_secret"
SESSION: Json = {"id": "key_root", "name": "root", "role": "root", "kind": "session"}
CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
WORDS = ["A", " pilothouse", " is", " the", " room", " from", " which", " a", " ship", " is", " steered", "."]
TOKEN_S = 0.004
CUT = {
    "error": {
        "message": "The engine stopped midway.",
        "type": "upstream_error",
        "code": "upstream_cut",
        "hint": "It restarts by itself.",
    }
}


def error(status: int, message: str, *, code: str, hint: str | None = None) -> JSONResponse:
    """An error in OpenAI's shape with a hint."""
    body = {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": code,
            "hint": hint,
        }
    }
    return JSONResponse(body, status, headers={"x-request-id": "req_of_the_error"})


class FakeApi:
    """The server, in a thread of its own, with its data open to the test."""

    def __init__(self, *, calls: int = 260) -> None:
        self.now_ms = time.time_ns() // 1_000_000
        self.calls: list[Json] = fake_data.make_calls(self.now_ms, calls)
        self.keys: list[Json] = fake_data.keys(self.now_ms)
        self.traffic: Json = fake_data.traffic()
        self.experiments: list[Json] = fake_data.experiments()
        self.sessions: set[str] = set()
        self.chats: list[Json] = []
        self.token_s = TOKEN_S
        self.level = "ok"
        self.screens = 0
        self.calls_counted: int | None = None
        self.reasons: list[str] | None = None
        self._tails: set[asyncio.Queue[Json | None]] = set()
        self._tails_changed = threading.Condition()
        self._rng = random.Random(11)
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---- life

    def start(self, port: int = 0) -> str:
        """Starts listening and returns the origin."""
        listener = socket.create_server(("127.0.0.1", port))
        config = uvicorn.Config(
            self.application(), log_level="warning", ws="none", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        started = threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            started.set()
            await self._server.serve(sockets=[listener])

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        started.wait(10)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Ends every stream, then the server."""
        self._in_loop(lambda: self._tell_tails(None))
        self._server.should_exit = True
        self._thread.join(10)

    def push(self, **changes: Any) -> Json:
        """Records a new call, tells the tails, and returns it."""
        call = self.push_silently()
        call |= changes
        self._in_loop(lambda: self._tell_tails(call))
        return call

    def push_silently(self) -> Json:
        """Records a new call that no tail is told of."""
        call = fake_data.make_call(len(self.calls) + 1, time.time_ns() // 1_000_000, self._rng)
        self.calls.insert(0, call)
        return call

    def break_tails(self) -> None:
        """Ends every event stream; browsers come back by themselves."""
        self._in_loop(lambda: self._tell_tails(None))

    def tails(self) -> int:
        """How many event streams are open."""
        return len(self._tails)

    def wait_for_tails(self, many: int) -> None:
        """Returns when exactly `many` streams are open."""
        with self._tails_changed:
            assert self._tails_changed.wait_for(lambda: len(self._tails) == many, 10)

    def _in_loop(self, act: Callable[[], object]) -> None:
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(act)

    def _tell_tails(self, call: Json | None) -> None:
        for queue in self._tails:
            queue.put_nowait(call)

    # ---- the application

    def application(self) -> Starlette:
        """The routes, all but signing in behind a session."""
        guarded: list[tuple[str, list[str], Callable[[Request], Awaitable[Response]]]] = [
            ("/api/v1/screen", ["GET"], self.screen),
            ("/api/v1/measures", ["GET"], self.measures),
            ("/api/v1/series", ["GET"], self.series),
            ("/api/v1/markers", ["GET"], self.markers),
            ("/api/v1/models", ["GET"], self.models),
            ("/api/v1/requests", ["GET"], self.requests),
            ("/api/v1/requests/tail", ["GET"], self.tail),
            ("/api/v1/requests/{id}", ["GET"], self.request),
            ("/api/v1/keys", ["GET", "POST"], self.keys_route),
            ("/api/v1/keys/{id}", ["PATCH"], self.change_key),
            ("/api/v1/traffic", ["GET"], self.traffic_route),
            ("/api/v1/experiments", ["GET"], self.experiments_route),
            ("/api/v1/keys/{id}/revoke", ["POST"], self.revoke),
            ("/api/v1/keys/{id}/rotate", ["POST"], self.rotate),
            ("/api/v1/status", ["GET"], self.status),
            ("/v1/models", ["GET"], self.openai_models),
            ("/v1/chat/completions", ["POST"], self.chat),
        ]
        routes: list[Route | Mount] = [
            Route("/api/v1/session", self.session, methods=["GET", "POST", "DELETE"])
        ]
        routes += [Route(path, self._guard(handler), methods=methods) for path, methods, handler in guarded]
        routes += [
            Route("/signin", self.sign_in_link),
            Mount("/assets", StaticFiles(directory=PAGE / "assets")),
        ]
        routes.append(Route("/{path:path}", self.page))
        return Starlette(routes=routes)

    def _guard(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if request.cookies.get("pilothouse_session") not in self.sessions:
                return error(401, "There is no session.", code="invalid_api_key", hint="Sign in.")
            return await handler(request)

        return guarded

    def _signed_in(self, response: Response) -> Response:
        token = f"s{self._rng.getrandbits(64):x}"
        self.sessions.add(token)
        response.set_cookie("pilothouse_session", token, httponly=True, samesite="strict", path="/")
        return response

    async def page(self, _request: Request) -> Response:
        """The console, for every path that is nothing else."""
        return FileResponse(
            PAGE / "index.html", headers={"content-security-policy": CSP, "cache-control": "no-cache"}
        )

    async def session(self, request: Request) -> Response:
        """Who is here; sign in; sign out."""
        token = request.cookies.get("pilothouse_session")
        if request.method == "DELETE":
            self.sessions.discard(token or "")
            return Response(status_code=204)
        if request.method == "POST":
            given = await request.json()
            if given.get("key") != KEY:
                return error(
                    401,
                    "This is not a key of this Pilothouse.",
                    code="invalid_api_key",
                    hint="Make one with `pilothouse keys create NAME`.",
                )
            return self._signed_in(JSONResponse(SESSION))
        return (
            JSONResponse(SESSION)
            if token in self.sessions
            else error(401, "There is no session.", code="invalid_api_key")
        )

    async def sign_in_link(self, _request: Request) -> Response:
        """The link that `up` prints."""
        return self._signed_in(RedirectResponse("/", 303))

    async def screen(self, request: Request) -> Response:
        """The first screen."""
        window_s = int(request.query_params["window_s"])
        now_ms = time.time_ns() // 1_000_000
        calls = window_s * 12 if self.calls else 0
        shown = fake_screen.screen(now_ms, window_s, calls=calls, is_well=self.level == "ok")
        if self.level != "ok":
            shown["overview"]["state"] = {"level": self.level, "reasons": self.reasons or []}
        if self.calls_counted is not None:
            shown["overview"]["calls"] = self.calls_counted
        self.screens += 1
        return JSONResponse(shown)

    async def measures(self, _request: Request) -> Response:
        """The catalogue."""
        return JSONResponse({"data": fake_screen.MEASURES})

    async def series(self, request: Request) -> Response:
        """A measure over time."""
        asked = request.query_params
        shown = fake_screen.series(
            asked["measure"],
            asked.get("by"),
            int(asked["from_ms"]),
            int(asked["to_ms"]),
            int(asked["points"]),
        )
        if asked.get("format") == "csv":
            return Response("start_ms,value\n1,2\n", media_type="text/csv")
        return JSONResponse(shown)

    async def markers(self, request: Request) -> Response:
        """What happened meanwhile."""
        asked = request.query_params
        found = fake_screen.markers(int(asked["from_ms"]), int(asked["to_ms"]))
        return JSONResponse({"data": found})

    async def models(self, _request: Request) -> Response:
        """Models and their deployments."""
        return JSONResponse({"data": fake_data.models()})

    async def requests(self, request: Request) -> Response:
        """One page of calls, newest first, by keyset."""
        asked = request.query_params
        found = self.calls
        for name in ("model", "outcome", "key_id", "conversation_id"):
            if name in asked:
                found = [call for call in found if call[name] == asked[name]]
        if "before" in asked:
            found = [call for call in found if call["call_id"] < asked["before"]]
        limit = int(asked.get("limit", "50"))
        page = found[:limit]
        return JSONResponse(
            {"data": page, "next_before": page[-1]["call_id"] if len(found) > limit else None}
        )

    async def request(self, request: Request) -> Response:
        """One call by its id or its request's id."""
        wanted = request.path_params["id"]
        for call in self.calls:
            if wanted in {call["call_id"], call["request_id"]}:
                return JSONResponse(fake_data.detail(call))
        return error(
            404,
            f"There is no call {wanted}.",
            code="not_found",
            hint="Ids are listed by `pilothouse requests list`.",
        )

    async def tail(self, _request: Request) -> Response:
        """New calls as server-sent events."""
        return StreamingResponse(
            self._tail_events(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _tail_events(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._tails.add(queue)
        try:
            yield "retry: 50\n\n"
            while (call := await queue.get()) is not None:
                yield f"event: call\ndata: {json.dumps(call)}\n\n"
        finally:
            with self._tails_changed:
                self._tails.discard(queue)
                self._tails_changed.notify_all()

    async def keys_route(self, request: Request) -> Response:
        """Keys: list, create."""
        if request.method == "GET":
            return JSONResponse({"data": self.keys})
        return JSONResponse(self._new_key(await request.json()))

    def _new_key(self, asked: Json) -> Json:
        number = len(self.keys)
        row = {
            "id": f"key_new{number}",
            "name": asked["name"],
            "role": asked.get("role", "member"),
            "team": asked.get("team"),
            "models": asked.get("models"),
            "created_at_ms": time.time_ns() // 1_000_000,
            "expires_at_ms": asked.get("expires_at_ms"),
            "revoked_at_ms": None,
            "last_used_at_ms": None,
            "prefix": f"ph_new{number}_…",
            "limits": fake_data.NO_LIMITS | (asked.get("limits") or {}),
            "priority": asked.get("priority") or "normal",
        }
        self.keys.insert(0, row)
        return row | {"key": f"ph_new{number}_{'s3cret' * 5}"}

    def _key(self, request: Request) -> Json:
        return next(row for row in self.keys if row["id"] == request.path_params["id"])

    async def change_key(self, request: Request) -> Response:
        """Changes a key's limits."""
        asked = await request.json()
        row = self._key(request)
        row["limits"] = row["limits"] | asked.get("limits", {})
        row["priority"] = asked.get("priority", row["priority"])
        return JSONResponse(row)

    async def traffic_route(self, _request: Request) -> Response:
        """How traffic is steered."""
        return JSONResponse(self.traffic)

    async def experiments_route(self, _request: Request) -> Response:
        """Experiments, arm by arm."""
        return JSONResponse({"data": self.experiments})

    async def revoke(self, request: Request) -> Response:
        """Ends a key."""
        row = self._key(request)
        row["revoked_at_ms"] = time.time_ns() // 1_000_000 - 1000
        return JSONResponse(row)

    async def rotate(self, request: Request) -> Response:
        """Makes a successor and ends the old key."""
        row = self._key(request)
        row["revoked_at_ms"] = time.time_ns() // 1_000_000 - 1000
        return JSONResponse(self._new_key(row))

    async def status(self, _request: Request) -> Response:
        """The processes."""
        return JSONResponse(fake_data.status(time.time_ns() // 1_000_000))

    async def openai_models(self, _request: Request) -> Response:
        """The models as OpenAI lists them."""
        names = [row["model"] for row in fake_data.models()]
        return JSONResponse(
            {
                "object": "list",
                "data": [{"id": name, "object": "model", "owned_by": "pilothouse"} for name in names],
            }
        )

    async def chat(self, request: Request) -> Response:
        """A streamed chat; the words `refuse` and `cut` in the question make it go wrong."""
        asked = await request.json()
        self.chats.append(asked)
        question = asked["messages"][-1]["content"]
        if "refuse" in question:
            return error(
                503,
                "No deployment can take this call.",
                code="unavailable",
                hint="The engine restarts; try again in a few seconds.",
            )
        call = fake_data.make_call(len(self.calls) + 1, time.time_ns() // 1_000_000, self._rng)
        call |= {
            "model": asked["model"],
            "status": 200,
            "outcome": "completed",
            "operation": "chat",
            "is_stream": True,
            "error_code": None,
            "error_message": None,
        }
        headers = {"x-request-id": call["request_id"], "cache-control": "no-store"}
        return StreamingResponse(
            self._chat_events(call, is_cut="cut" in question), media_type="text/event-stream", headers=headers
        )

    async def _chat_events(self, call: Json, *, is_cut: bool) -> AsyncIterator[str]:
        def chunk(body: Json) -> str:
            return (
                f"data: {json.dumps({'object': 'chat.completion.chunk', 'model': call['model'], **body})}\n\n"
            )

        yield chunk({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        for at, word in enumerate(WORDS):
            await asyncio.sleep(self.token_s)
            yield chunk({"choices": [{"index": 0, "delta": {"content": word}}]})
            if is_cut and at == 3:
                yield f"data: {json.dumps(CUT)}\n\n"
                return
        yield chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield chunk({"choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": len(WORDS)}})
        yield "data: [DONE]\n\n"
        self.calls.insert(0, call)
        self._tell_tails(call)


def main() -> None:
    """Serves until interrupted, with a new call now and then."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--calls", type=int, default=260)
    parser.add_argument("--every", type=float, default=1.2)
    given = parser.parse_args()
    api = FakeApi(calls=given.calls)
    api.token_s = 0.02
    print(f"{api.start(given.port)}/signin?token=any")  # noqa: T201 - a person runs this
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(given.every)
            if given.calls:
                api.push()
    api.stop()


if __name__ == "__main__":
    main()
