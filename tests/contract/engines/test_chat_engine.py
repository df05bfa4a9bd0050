"""What every chat engine must do, asked on its own socket as the gateway asks it."""

import asyncio
import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.network.sync import request, stream

if TYPE_CHECKING:
    from tests.contract.engines.conftest import Running

pytestmark = pytest.mark.engine

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
QUESTION = [{"role": "user", "content": "Name the capital of France."}]


def test_a_chat_is_answered_with_its_usage(chat: "Running") -> None:
    answer = chat.good(CHAT, messages=QUESTION, max_tokens=12, temperature=0)
    assert answer["object"] == "chat.completion"
    assert answer["model"] == chat.spec.alias
    (choice,) = answer["choices"]
    assert "Paris" in choice["message"]["content"]
    usage = answer["usage"]
    assert usage["completion_tokens"] <= 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_prompts_tokens_are_counted_as_the_chat_counts_them(chat: "Running") -> None:
    answer = chat.good(CHAT, messages=QUESTION, max_tokens=1)
    counted = chat.good("/v1/messages/count_tokens", model=chat.spec.alias, messages=QUESTION)
    assert counted["input_tokens"] == answer["usage"]["prompt_tokens"]


def test_a_stream_says_what_the_plain_answer_says(chat: "Running") -> None:
    asked: dict[str, Any] = {"messages": QUESTION, "max_tokens": 12, "temperature": 0}
    plain = chat.good(CHAT, **asked)
    events = chat.events(CHAT, **asked, stream_options={"include_usage": True})
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert text == plain["choices"][0]["message"]["content"]
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]
    assert events[-2]["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]


def test_a_prompt_that_was_seen_comes_from_the_cache(chat: "Running") -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Say nothing " * 20}], "max_tokens": 1}
    chat.good(CHAT, **asked)
    usage = chat.good(CHAT, **asked)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] >= usage["prompt_tokens"] - 1


def test_several_choices_are_all_counted(chat: "Running") -> None:
    answer = chat.good(CHAT, messages=QUESTION, n=2, max_tokens=5, temperature=1, seed=3, stop=["zzz"])
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["usage"]["completion_tokens"] == 10
    events = chat.events(CHAT, messages=QUESTION, n=2, max_tokens=5, stream_options={"include_usage": True})
    assert [event["usage"]["completion_tokens"] for event in events if event.get("usage")] == [10]


def test_a_seed_repeats_an_answer(chat: "Running") -> None:
    asked: dict[str, Any] = {"messages": QUESTION, "max_tokens": 16, "temperature": 1.2}
    texts = [chat.good(CHAT, **asked, seed=seed)["choices"][0]["message"]["content"] for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_ends_the_answer_before_it(chat: "Running") -> None:
    answer = chat.good(COMPLETIONS, prompt="1 2 3 4 5", max_tokens=30, temperature=0, stop=[" 8"])
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert " 8" not in answer["choices"][0]["text"]


def test_logprobs_of_a_chat_belong_to_its_tokens(chat: "Running") -> None:
    answer = chat.good(CHAT, messages=QUESTION, max_tokens=8, temperature=0, logprobs=True, top_logprobs=3)
    (choice,) = answer["choices"]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries).startswith(choice["message"]["content"])
    for entry in entries:
        assert len(entry["top_logprobs"]) == 3
        assert entry["logprob"] == pytest.approx(max(it["logprob"] for it in entry["top_logprobs"]))
    default = chat.good(CHAT, messages=QUESTION, max_tokens=2, logprobs=True)
    assert all(len(it["top_logprobs"]) <= 1 for it in default["choices"][0]["logprobs"]["content"])


def test_a_json_schema_is_kept(chat: "Running") -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "size": {"enum": ["small", "large"]}},
        "required": ["city", "size"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    answer = chat.good(CHAT, messages=QUESTION, max_tokens=120, temperature=1, response_format=wanted)
    made = json.loads(answer["choices"][0]["message"]["content"])
    assert set(made) == {"city", "size"}
    assert made["size"] in {"small", "large"}


def test_a_grammar_is_kept(chat: "Running") -> None:
    grammar = 'root ::= "yes" | "no"'
    answer = chat.good(CHAT, messages=QUESTION, max_tokens=10, temperature=1.5, grammar=grammar)
    assert answer["choices"][0]["message"]["content"] in {"yes", "no"}


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {}, "messages"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "content"),
        (CHAT, {"messages": QUESTION, "temperature": "hot"}, "temperature"),
        (CHAT, {"messages": QUESTION, "functions": [{}]}, "functions"),
        (CHAT, {"messages": QUESTION, "tools": [{"type": "function"}]}, "tools"),
        (COMPLETIONS, {"prompt": {"a": 1}}, "prompt"),
        (COMPLETIONS, {"prompt": []}, "prompt"),
        (COMPLETIONS, {"prompt": "x", "logprobs": 99}, "logprobs"),
        (COMPLETIONS, {"prompt": "x", "n": 2, "best_of": 5}, "best_of"),
    ],
)
def test_what_is_wrong_is_named(chat: "Running", path: str, body: dict[str, Any], word: str) -> None:
    status, error = chat.error(path, **body)
    assert status == 400
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)


def test_garbage_gets_an_error_and_the_next_call_an_answer(chat: "Running") -> None:
    for body in (b'{"messages": [', b"\xff\xfe", b"[]", b"", b"null"):
        answer = chat.send(CHAT, body)
        assert answer.status == 400, body
        assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"
    assert chat.good(CHAT, messages=QUESTION, max_tokens=1)


def test_a_prompt_over_the_context_is_refused(chat: "Running") -> None:
    status, error = chat.error(CHAT, messages=[{"role": "user", "content": "word " * 2000}])
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "1024" in error["message"]
    status, error = chat.error(COMPLETIONS, prompt="word " * 2000, logprobs=1, max_tokens=1)
    assert (status, error["code"]) == (400, "context_length_exceeded")


def test_other_paths_and_methods_are_refused(chat: "Running") -> None:
    assert chat.error("/v1/embeddings", input="x")[0] == 404
    assert chat.error("/slots/0", action="erase")[0] == 404
    assert request("GET", chat.url(CHAT)).status == 405


def test_calls_are_worked_on_at_the_same_time(chat: "Running") -> None:
    body = json.dumps({"messages": QUESTION, "max_tokens": 100, "stream": True, "ignore_eos": True}).encode()
    with ExitStack() as stack:
        streams = [
            stack.enter_context(stream("POST", chat.url(CHAT), body=body, idle_timeout_s=30))
            for _ in range(chat.spec.parallel)
        ]
        for answer in streams:  # each has a first token while all others are still being written
            assert next(answer.lines()).startswith("data: ")
        gauges = asyncio.run(chat.engine.gauges(chat.spec))
        assert gauges.slots_busy == gauges.slots == chat.spec.parallel
    asyncio.run(until_idle(chat))


def test_a_client_that_hangs_up_frees_its_slot(chat: "Running") -> None:
    asked: dict[str, Any] = {"messages": QUESTION, "max_tokens": 900, "ignore_eos": True}
    for body in ({**asked, "stream": True}, {**asked, "stream": True, "n": 2}, {**asked, "stream": False}):
        asyncio.run(hang_up(chat, json.dumps(body).encode()))
        asyncio.run(until_idle(chat))


async def hang_up(chat: "Running", body: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(chat.spec.socket)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    async with asyncio.timeout(30):
        while (await chat.engine.gauges(chat.spec)).slots_busy == 0:
            pass  # each turn waits for the engine's answer
    writer.transport.abort()


async def until_idle(chat: "Running") -> None:
    async with asyncio.timeout(10):
        while (await chat.engine.gauges(chat.spec)).slots_busy:
            pass  # each turn waits for the engine's answer


def test_gauges_count_tokens(chat: "Running") -> None:
    before = asyncio.run(chat.engine.gauges(chat.spec))
    chat.good(CHAT, messages=QUESTION, max_tokens=4, ignore_eos=True, temperature=0)
    after = asyncio.run(chat.engine.gauges(chat.spec))
    assert after.output_tokens_total - before.output_tokens_total == 4
    assert (after.slots, after.slots_busy, after.queued) == (chat.spec.parallel, 0, 0)


def test_nothing_else_leads_in(chat: "Running") -> None:
    socket = Path(chat.spec.socket)
    assert socket.stat().st_mode & 0o777 == 0o600
    for other in socket.parent.glob("*.sock"):
        assert other.stat().st_mode & 0o777 == 0o600
        if other != socket:
            answer = request("POST", f"unix:{other}:{CHAT}", body=b"{}")
            assert answer.status == 401
    assert not listening_ports(chat.process.pid)


def listening_ports(pid: int) -> set[str]:
    """Lists the TCP and UDP sockets a process listens on (proc(5))."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())) if link.is_symlink() else None
        if found:
            sockets.add(found[1])
    listening = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] in sockets and columns[3] in {"0A", "07"}:
                listening.add(columns[1])
    return listening


def test_nothing_a_caller_wrote_is_in_the_log(chat: "Running") -> None:
    message = {"role": "user", "content": "needle"}
    for grammar in ("root ::= needle (", "%llguidance {}\nstart: needle ("):
        chat.post(CHAT, messages=[message], max_tokens=1, grammar=grammar)
    chat.post(CHAT, messages=[message], max_tokens=1, response_format={"type": "needle"})
    chat.send(CHAT, b'{"messages": [{"role": "needle')
    assert "needle" not in (Path(chat.spec.socket).parent / "engine.log").read_text()


def test_a_connection_is_used_again(chat: "Running") -> None:
    async def run() -> list[bytes]:
        reader, writer = await asyncio.open_unix_connection(chat.spec.socket)
        answers = []
        for path, body in (
            (CHAT, {"messages": QUESTION, "max_tokens": 1}),
            (CHAT, {"messages": []}),
            (CHAT, {"messages": QUESTION, "max_tokens": 2, "stream": True}),
            (COMPLETIONS, {"prompt": "a", "max_tokens": 1, "logprobs": 1}),
        ):
            data = json.dumps(body).encode()
            writer.write(
                f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
            )
            answers.append(await one_answer(reader))
        writer.close()
        await writer.wait_closed()
        return answers

    answers = asyncio.run(run())
    assert [answer.split(b" ")[1] for answer in answers] == [b"200", b"400", b"200", b"200"]


async def one_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    if found:
        return head + await reader.readexactly(int(found[1]))
    body = b""
    while not body.endswith(b"0\r\n\r\n"):
        body += await reader.read(65536)
    return head + body
