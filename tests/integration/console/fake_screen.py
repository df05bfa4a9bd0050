"""The fake first screen: its one answer, the catalogue of measures, a series, and what happened meanwhile.

Refuses to know HTTP. Invariant: the shapes are those of the management API.
"""

from __future__ import annotations

from typing import Any

from tests.integration.console import fake_data

Json = dict[str, Any]

MEASURES: list[Json] = [
    {"name": name, "unit": unit, "title": title, "description": f"{title}.", "goal": goal}
    for name, unit, title, goal in (
        ("requests_per_second", "1/s", "Requests", "none"),
        ("error_rate", "1", "Errors", "down"),
        ("latency_p95_ms", "ms", "Latency, 95th percentile", "down"),
        ("first_token_p95_ms", "ms", "Time to first token, 95th percentile", "down"),
        ("output_tokens_per_second", "1/s", "Output tokens", "none"),
        ("cost_usd_per_hour", "USD/h", "Cost an hour", "down"),
    )
]
LABELS = {
    None: [""],
    "model": ["smollm2-135m-instruct", "assistant", "all-minilm-l6-v2"],
    "provider": ["llama_cpp", "openai", "anthropic"],
    "deployment": [deployment for rows in fake_data.DEPLOYMENTS.values() for deployment, _, _ in rows],
    "key": [name for _, name in fake_data.KEYS],
    "team": ["shop", "search"],
}
SCALE = {"1/s": 14.0, "1": 0.02, "ms": 900.0, "USD/h": 1.4}


def series(measure: str, by: str | None, start_ms: int, end_ms: int, points: int) -> Json:
    """A measure over time."""
    unit = next(one["unit"] for one in MEASURES if one["name"] == measure)
    lines = [
        {
            "label": label,
            "values": fake_data.wave(
                points, SCALE[unit] / (number + 1), SCALE[unit] / 4 / (number + 1), number
            ),
        }
        for number, label in enumerate(LABELS[by])
    ]
    return {
        "measure": measure,
        "unit": unit,
        "start_ms": start_ms,
        "step_ms": -(-(end_ms - start_ms) // points),
        "lines": lines,
        "query": {
            "name": "sums",
            "sql": "SELECT model, (minute - $start) // $step, sum(calls)\nFROM call_minutes\n"
            "WHERE minute >= $start",
            "parameters": {"start": start_ms, "step": 15_000},
        },
    }


def markers(start_ms: int, end_ms: int) -> list[Json]:
    """A start, a change of the configuration soon after, and an alert."""
    span_ms = end_ms - start_ms
    return [
        {
            "at_ms": start_ms + span_ms // 4,
            "kind": "deploy",
            "text": "Pilothouse has started",
            "link": None,
        },
        {
            "at_ms": start_ms + span_ms // 4 + 10,
            "kind": "configuration",
            "text": "revision 12, from the file",
            "link": None,
        },
        {
            "at_ms": start_ms + int(span_ms * 0.7),
            "kind": "alert",
            "text": "warning: assistant is slower than last week",
            "link": "/alerts",
        },
    ]


def _extra(**known: Any) -> Json:
    return {
        "token_time_p95_ms": None,
        "cache_share": None,
        "breaker": "closed",
        "cause": None,
        "in_flight": 0,
    } | known


EXTRAS: Json = {
    "smollm2-135m-instruct/llama_cpp-0": _extra(token_time_p95_ms=16.4, in_flight=5, cache_share=0.12),
    "all-minilm-l6-v2/llama_cpp-0": _extra(),
    "assistant/openai-0": _extra(token_time_p95_ms=21.9, in_flight=7, cache_share=0.031),
    "assistant/anthropic-1": _extra(breaker="open", cause="6 of 10 attempts failed"),
}
OBJECTIVES: list[Json] = [
    {
        "name": "answers come",
        "measure": "availability",
        "target": 0.999,
        "value": 0.9984,
        "budget_left": 0.41,
        "burn_rate": 1.6,
        "state": "burning",
    },
    {
        "name": "quick first token",
        "measure": "first_token_p95_ms",
        "target": 0.99,
        "value": 0.997,
        "budget_left": 0.83,
        "burn_rate": 0.2,
        "state": "ok",
    },
]


def _room(name: str, title: str, unit: str, used: float, most: float, full_in_s: float | None = None) -> Json:
    share = used / most
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "used": used,
        "most": most,
        "left": most - used,
        "share": share,
        "full_in_s": full_in_s,
        "history": [min(1.0, value) for value in fake_data.wave(60, share, share / 5, used % 7)],
    }


RESOURCES: Json = {
    "cpus": 2,
    "load": [1.2, 1.1, 0.9],
    "headroom": [
        _room("cpu", "CPU", "cores", 1.24, 2),
        _room("memory", "Memory", "bytes", 5.1e9, 8.2e9),
        _room("disk", "Disk", "bytes", 71e9, 78e9, 9 * 3600),
        _room("open_files", "Open files", "files", 412, 20_000),
        _room("gpu0", "GPU 0", "share", 0.34, 1),
        _room("gpu0_memory", "GPU 0 memory", "bytes", 58e9, 150e9),
    ],
    "gpus": [{"index": 0, "name": "NVIDIA H200", "power_w": 212, "temperature_c": 41, "xids": {}}],
}


def screen(now_ms: int, window_s: int, *, calls: int, is_well: bool) -> Json:
    """The first screen; an alert is open unless all is well."""
    overview = fake_data.overview(now_ms, window_s, 60, calls=calls)
    alert = {
        "id": "alt_1",
        "rule": "slower",
        "severity": "warning",
        "summary": "assistant is slower than last week",
        "link": "/requests?model=assistant",
        "opened_at_ms": now_ms - window_s * 300,
        "is_acknowledged": False,
    }
    return {
        "now_ms": now_ms,
        "window_s": window_s,
        "overview": overview,
        "models": fake_data.models(),
        "extras": EXTRAS,
        "queued": 3,
        "alerts": {
            "open": 0 if is_well else 1,
            "critical": 0,
            "acknowledged": 0,
            "first": [] if is_well else [alert],
        },
        "markers": markers(overview["series_start_ms"], now_ms),
        "missing": [],
        "objectives": OBJECTIVES,
        "resources": RESOURCES,
    }
