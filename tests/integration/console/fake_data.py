"""Plausible data for the fake management API: calls, models, keys and golden numbers, always the same.

Refuses to know HTTP. Invariant: the same seed gives the same data, in the shapes of the real API.
"""

from __future__ import annotations

import math
import random
from typing import Any

Json = dict[str, Any]

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
ASSISTANT = "assistant"
XSS = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

DEPLOYMENTS = {
    CHAT: [("smollm2-135m-instruct/llama_cpp-0", "llama_cpp", CHAT)],
    EMBEDDING: [("all-minilm-l6-v2/llama_cpp-0", "llama_cpp", EMBEDDING)],
    ASSISTANT: [
        ("assistant/openai-0", "openai", "gpt-4o-mini"),
        ("assistant/anthropic-1", "anthropic", "claude-haiku"),
    ],
}
KEYS = [
    ("key_root", "root"),
    ("key_checkout", "checkout service"),
    ("key_search", "search indexer"),
    ("key_eval", "nightly evaluation"),
]


def call_id(at_ms: int, number: int) -> str:
    """A UUIDv7-like identifier: 48 bits of time, then a counter, as 32 hex characters."""
    return f"{at_ms:012x}7{number:03x}{0x8000 + number:04x}{number:012x}"


def make_call(number: int, at_ms: int, rng: random.Random) -> Json:
    """One call as the list and the tail give it."""
    model = rng.choices([CHAT, ASSISTANT, EMBEDDING], [6, 4, 2])[0]
    deployment, provider, upstream = rng.choice(DEPLOYMENTS[model])
    key_id, key_name = rng.choices(KEYS, [1, 5, 3, 2])[0]
    is_stream = model != EMBEDDING and rng.random() < 0.7
    roll = rng.random()
    status, outcome, code = 200, "completed", None
    if roll > 0.985:
        status, outcome, code = 502, "failed", "upstream_failed"
    elif roll > 0.965:
        status, outcome, code = 200, "cut", "upstream_cut"
    elif roll > 0.945:
        status, outcome, code = 499, "cancelled", "client_closed"
    elif roll > 0.91:
        status, outcome, code = 401, "refused", "invalid_api_key"
    is_answered = outcome in {"completed", "cut"}
    queue = round(rng.uniform(0.2, 4.0), 2)
    first = (
        round(queue + rng.lognormvariate(4.1 if provider == "llama_cpp" else 5.4, 0.45), 1)
        if is_answered
        else None
    )
    output = None if not is_answered or model == EMBEDDING else rng.randint(12, 420)
    speed = rng.uniform(48, 76)
    last = round(first + output / speed * 1000, 1) if first is not None and output is not None else first
    duration = round((last or rng.uniform(0.4, 30)) + rng.uniform(0.2, 2), 2)
    tokens_in = rng.randint(18, 1900) if is_answered else None
    cost = None
    if provider == "openai" and tokens_in is not None:
        cost = tokens_in * 0.15e-6 + (output or 0) * 0.6e-6
    identity = call_id(at_ms, number)
    return {
        "call_id": identity,
        "request_id": f"req_{number:06d}{identity[-8:]}",
        "at_ms": at_ms,
        "operation": "embeddings" if model == EMBEDDING else "chat",
        "model": model,
        "model_answered": upstream if is_answered else None,
        "provider": provider,
        "deployment": deployment if outcome != "refused" else None,
        "key_id": None if code == "invalid_api_key" else key_id,
        "key_name": None if code == "invalid_api_key" else key_name,
        "team": "shop" if key_id == "key_checkout" else None,
        "purpose": "serve",
        "status": status,
        "outcome": outcome,
        "is_stream": is_stream,
        "error_type": None
        if code is None
        else "upstream_error"
        if status >= 500
        else "invalid_request_error",
        "error_code": code,
        "error_message": None if code is None else ERROR_WORDS[code],
        "finish_reasons": ["stop"] if outcome == "completed" and output is not None else [],
        "duration_ms": duration,
        "queue_ms": queue,
        "first_token_ms": first,
        "last_token_ms": last,
        "tokens_per_second": round(speed, 1) if is_stream and output else None,
        "input_tokens": tokens_in,
        "output_tokens": output,
        "cached_tokens": rng.choice([0, 0, 128]) if tokens_in else None,
        "reasoning_tokens": None,
        "cost_usd": cost,
        "price_source": "genai-prices 0.0.60" if cost is not None else None,
        "logprob_mean": round(-rng.uniform(0.1, 1.4), 3) if is_stream and is_answered else None,
        "logprob_min": round(-rng.uniform(2, 8), 3) if is_stream and is_answered else None,
        "request_bytes": rng.randint(300, 9000),
        "response_bytes": rng.randint(300, 6000),
        "conversation_id": f"conv_{number % 7:04d}",
        "trace_id": f"{number * 7919:032x}",
        "subject": f"sub_{number % 5:012x}",
        "dialect": "openai",
        "cache": None,
        "experiment": None,
        "arm": None,
        "shadow_of": None,
        "priority": "normal",
        "saved_usd": None,
    }


ERROR_WORDS = {
    "upstream_failed": "The provider openai reset the connection before an answer.",
    "upstream_cut": "The engine stopped midway; 41 tokens had left.",
    "client_closed": "The client hung up.",
    "invalid_api_key": "There is no such API key.",
}


def make_calls(now_ms: int, many: int) -> list[Json]:
    """`many` calls before `now_ms`, newest first."""
    rng = random.Random(7)
    calls = [make_call(number, now_ms - (many - number) * 1900, rng) for number in range(1, many + 1)]
    return calls[::-1]


def request_body(call: Json) -> Json:
    """What went in: a system prompt, tools at work, an image, and text that wants to be markup."""
    if call["operation"] == "embeddings":
        return {"model": call["model"], "input": ["A calm sea.", "A rough sea."]}
    return {
        "model": call["model"],
        "temperature": 0.7,
        "messages": [
            {
                "role": "system",
                "content": "You are the harbour master's assistant. Answer in one short paragraph.",
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"What does this chart say about berth 4?\n{XSS}"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "sha256:" + "9f86d081" * 8 + ";bytes=184221"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "tide_at", "arguments": '{"berth": 4, "hour": 17}'},
                    }
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": '{"height_m": 2.4, "trend": "rising", "next_high": "19:42"}',
            },
        ],
    }


def response_body(call: Json) -> Json | None:
    """What came out, in the shape of the plain answer."""
    if call["operation"] == "embeddings":
        return {"object": "list", "count": 2, "dimensions": 384, "sha256": "0b1c" * 16}
    if call["output_tokens"] is None:
        return None
    words = (
        "Berth 4 has 2.4 m of water at 17:00 and the tide is rising until 19:42, so the ferry can come "
        "alongside now.\n\nKeep the bow line short: the chart shows a cross current of half a knot."
    )
    return {
        "object": "chat.completion",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}
        ],
    }


def detail(call: Json) -> Json:
    """One call with its parameters, attempts and words."""
    attempts = []
    if call["deployment"] is not None:
        if call["model"] == ASSISTANT:
            attempts.append(
                {
                    "deployment": "assistant/anthropic-1",
                    "provider": "anthropic",
                    "status": 529,
                    "error_code": "overloaded",
                    "started_ms": 1.2,
                    "duration_ms": 38.0,
                }
            )
        attempts.append(
            {
                "deployment": call["deployment"],
                "provider": call["provider"],
                "status": 200,
                "started_ms": call["queue_ms"],
                "duration_ms": call["duration_ms"] - call["queue_ms"],
            }
        )
    return {
        **call,
        "parameters": {
            "temperature": 0.7,
            "max_tokens": 256,
            "tool_count": 1,
            "message_count": 4,
            "response_format": None,
        },
        "attempts": attempts,
        "content": {"state": "full", "request": request_body(call), "response": response_body(call)},
    }


def wave(points: int, base: float, swing: float, phase: float, noise: float = 0.1) -> list[float]:
    rng = random.Random(phase)
    return [
        max(0.0, base + swing * math.sin(at / points * 6.3 + phase) + rng.gauss(0, base * noise))
        for at in range(points)
    ]


def _measure(series: list[float], previous: float | None) -> Json:
    return {"value": sum(series) / max(1, len(series)), "previous": previous, "series": series}


def overview(now_ms: int, window_s: int, points: int, *, calls: int) -> Json:
    """The golden numbers; with no calls every figure is unknown, none is zero by accident."""
    step = window_s * 1000 // points
    shape: Json = {
        "now_ms": now_ms,
        "window_s": window_s,
        "series_start_ms": now_ms - step * points,
        "series_step_ms": step,
        "state": {"level": "ok", "reasons": ["2 models ready, 2 providers answering"]},
        "ingest_lag_ms": 120,
        "calls": calls,
    }
    if calls == 0:
        nothing: Json = {"value": None, "previous": None, "series": [None] * points}
        quantiles: Json = {
            "p50": None,
            "p95": None,
            "p99": None,
            "previous_p95": None,
            "series": [None] * points,
        }
        zero: Json = {"value": 0.0, "previous": 0.0, "series": [0.0] * points}
        return shape | {
            "state": {"level": "ok", "reasons": []},
            "requests_per_second": zero,
            "error_rate": nothing,
            "client_error_rate": nothing,
            "first_token_ms": quantiles,
            "latency_ms": quantiles,
            "input_tokens_per_second": zero,
            "output_tokens_per_second": zero,
            "cost_usd": nothing | {"unpriced_calls": 0},
        }
    errors = [0.0 if at % 9 else 0.021 for at in range(points)]
    first: list[float | None] = [*wave(points, 180, 40, 3.0)]
    first[20] = first[21] = None
    return shape | {
        "requests_per_second": _measure(wave(points, 12.4, 4, 1.0), 11.1),
        "error_rate": _measure(errors, 0.0061),
        "client_error_rate": _measure(wave(points, 0.012, 0.006, 2.0), 0.011),
        "first_token_ms": {"p50": 84.2, "p95": 187.0, "p99": 412.5, "previous_p95": 241.0, "series": first},
        "latency_ms": {
            "p50": 1240.0,
            "p95": 4870.0,
            "p99": 9120.0,
            "previous_p95": 4310.0,
            "series": wave(points, 4600, 900, 4.0),
        },
        "input_tokens_per_second": _measure(wave(points, 3100, 700, 5.0), 2980.0),
        "output_tokens_per_second": _measure(wave(points, 812, 210, 6.0), 790.0),
        "cost_usd": {
            "value": 0.4172,
            "previous": 0.3871,
            "series": wave(points, 0.007, 0.002, 7.0),
            "unpriced_calls": 612,
        },
    }


def _deployment(identity: str, provider: str, upstream: str, **rest: Any) -> Json:
    plain: Json = {
        "id": identity,
        "provider": provider,
        "upstream_model": upstream,
        "engine": None,
        "state": "ready",
        "reason": None,
        "weight": 1,
        "requests": 0,
        "errors": 0,
        "error_rate": None,
        "first_token_p95_ms": None,
        "latency_p95_ms": None,
        "output_tokens_per_second": None,
        "cost_usd": None,
        "unpriced_calls": 0,
        "slots": None,
        "slots_busy": None,
        "queued": None,
        "resident_bytes": None,
        "price": None,
    }
    return plain | rest


def models() -> list[Json]:
    """Three models: two served here, one by two providers of which one is in trouble."""
    return [
        {
            "model": CHAT,
            "kind": "chat",
            "deployments": [
                _deployment(
                    "smollm2-135m-instruct/llama_cpp-0",
                    "llama_cpp",
                    CHAT,
                    engine="llama_cpp",
                    requests=6120,
                    errors=4,
                    error_rate=0.00065,
                    first_token_p95_ms=92.4,
                    latency_p95_ms=3210.0,
                    output_tokens_per_second=512.0,
                    unpriced_calls=6120,
                    slots=8,
                    slots_busy=5,
                    queued=2,
                    resident_bytes=412_000_000,
                )
            ],
        },
        {
            "model": ASSISTANT,
            "kind": "chat",
            "deployments": [
                _deployment(
                    "assistant/openai-0",
                    "openai",
                    "gpt-4o-mini",
                    weight=80,
                    requests=3880,
                    errors=31,
                    error_rate=0.008,
                    first_token_p95_ms=412.0,
                    latency_p95_ms=5230.0,
                    output_tokens_per_second=301.0,
                    cost_usd=0.4172,
                    price={"input_usd": 0.15, "output_usd": 0.6, "source": "genai-prices"},
                ),
                _deployment(
                    "assistant/anthropic-1",
                    "anthropic",
                    "claude-haiku",
                    weight=20,
                    requests=402,
                    errors=119,
                    error_rate=0.296,
                    state="failed",
                    reason="529 overloaded, circuit open for 12 s",
                    first_token_p95_ms=640.0,
                    latency_p95_ms=7100.0,
                    output_tokens_per_second=22.0,
                    cost_usd=0.0,
                    unpriced_calls=402,
                ),
            ],
        },
        {
            "model": EMBEDDING,
            "kind": "embedding",
            "deployments": [
                _deployment(
                    "all-minilm-l6-v2/llama_cpp-0",
                    "llama_cpp",
                    EMBEDDING,
                    engine="llama_cpp",
                    requests=1410,
                    error_rate=0.0,
                    latency_p95_ms=9.4,
                    unpriced_calls=1410,
                    slots=8,
                    slots_busy=0,
                    queued=0,
                    resident_bytes=96_000_000,
                )
            ],
        },
    ]


NO_LIMITS: Json = dict.fromkeys(
    ("requests_per_minute", "tokens_per_minute", "concurrency", "budget_day_usd", "budget_month_usd")
)


def _steered(identity: str, **rest: Any) -> Json:
    plain: Json = {
        "deployment": identity,
        "model": identity.partition("/")[0],
        "breaker": "closed",
        "breaker_workers": 2,
        "workers": 2,
        "cause": None,
        "is_ejected": False,
        "is_ready": True,
        "held_ms": 0.0,
        "in_flight": 0,
        "ewma_ms": None,
        "attempts": 0,
        "failed": 0,
        "limited": 0,
        "error_share": None,
        "opened": 0,
    }
    return plain | rest


def traffic() -> Json:
    """Two workers: one deployment open in one of them, one limit full, one cache at work."""
    ok = {"attempts": 6120, "failed": 4, "error_share": 0.00065, "in_flight": 5, "ewma_ms": 84.2}
    broken = {"breaker": "open", "breaker_workers": 1, "cause": "failures", "attempts": 402, "failed": 119}
    return {
        "workers": 2,
        "in_flight": 7,
        "queued": {"high": 0, "normal": 3, "low": 12},
        "shed": 41,
        "limited": 208,
        "counters": "redis",
        "counters_reason": None,
        "retries": 131,
        "fallbacks": 17,
        "hedges": 4,
        "shadows": 388,
        "deployments": [
            _steered("smollm2-135m-instruct/llama_cpp-0", **ok),
            _steered(
                "assistant/openai-0", attempts=3880, failed=31, error_share=0.008, in_flight=2, ewma_ms=412.0
            ),
            _steered(
                "assistant/anthropic-1", **broken, error_share=0.296, ewma_ms=640.0, limited=22, opened=3
            ),
            _steered("all-minilm-l6-v2/llama_cpp-0", breaker="half_open", cause="silence", breaker_workers=2),
        ],
        "limits": [
            _used(
                "key",
                "key_checkout",
                "requests_per_minute",
                412.0,
                600.0,
                shown="checkout service",
                resets_s=41.0,
            ),
            _used(
                "key",
                "key_checkout",
                "budget_month_usd",
                187.2,
                200.0,
                shown="checkout service",
                resets_s=7e5,
            ),
            _used("team", "shop", "concurrency", 8.0, 8.0),
        ],
        "caches": [
            {
                "model": ASSISTANT,
                "entries": 812,
                "bytes": 3_400_000,
                "exact": 240,
                "semantic": 60,
                "coalesced": 12,
                "misses": 936,
                "hit_share": 0.25,
            }
        ],
    }


def experiments() -> list[Json]:
    """One experiment with two arms, of which one has calls without a price."""
    arm: Json = {
        "arm": "current",
        "calls": 900,
        "conversations": 310,
        "errors": 9,
        "error_rate": 0.01,
        "first_token_p95_ms": 210.0,
        "latency_p95_ms": 1900.0,
        "output_tokens_mean": 141.4,
        "cost_usd": 0.9,
        "unpriced_calls": 0,
    }
    other = arm | {"arm": "candidate", "calls": 100, "unpriced_calls": 100, "cost_usd": None}
    return [{"model": ASSISTANT, "experiment": "prompt-b", "arms": [arm, other]}]


def _used(
    scope: str,
    name: str,
    limit: str,
    used: float,
    most: float,
    *,
    shown: str | None = None,
    resets_s: float = 0.0,
) -> Json:
    return {
        "scope": scope,
        "name": name,
        "shown_name": shown or name,
        "limit": limit,
        "used": used,
        "most": most,
        "share": used / most,
        "resets_s": resets_s,
    }


def keys(now_ms: int) -> list[Json]:
    """Four keys, one of them revoked."""
    day = 86_400_000
    rows = []
    for at, (identity, name) in enumerate(KEYS):
        rows.append(
            {
                "id": identity,
                "name": name,
                "role": "root" if at == 0 else "member",
                "team": "shop" if at == 1 else None,
                "models": [CHAT, EMBEDDING] if at == 2 else None,
                "created_at_ms": now_ms - (9 - at) * day,
                "expires_at_ms": now_ms + 30 * day if at == 1 else None,
                "revoked_at_ms": now_ms - day if at == 3 else None,
                "last_used_at_ms": now_ms - at * 240_000 if at else None,
                "prefix": f"ph_{identity[4:8]}_…",
                "limits": NO_LIMITS
                | ({"requests_per_minute": 600, "budget_month_usd": 200.0} if at == 1 else {}),
                "priority": "low" if at == 2 else "normal",
            }
        )
    return rows


def status(now_ms: int) -> Json:
    """The processes behind it all."""
    return {
        "supervisor": {
            "version": "0.1.0",
            "started_at_ms": now_ms - 5_400_000,
            "address": "http://127.0.0.1:8080",
            "snapshot_revision": 12,
            "processes": [
                {
                    "name": "gateway 0",
                    "state": "ready",
                    "pid": 41,
                    "restarts": 0,
                    "resident_bytes": 41_000_000,
                },
                {
                    "name": "control",
                    "state": "ready",
                    "pid": 42,
                    "restarts": 1,
                    "resident_bytes": 118_000_000,
                },
            ],
            "engines": [],
        },
        "gateways": [
            {
                "worker": "0",
                "pid": 41,
                "version": "0.1.0",
                "is_accepting": True,
                "in_flight": 7,
                "streams": 5,
                "requests_total": 48_210,
                "resident_bytes": 41_000_000,
            }
        ],
        "ingest": {"lag_ms": 120, "segments": 2, "offset_bytes": 8_812_344, "events_total": 48_203},
        "versions": {"pilothouse": "0.1.0", "schema": "1"},
    }
