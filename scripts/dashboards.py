"""Writes `ops/grafana/*.json`: the dashboards, from the tables of panels below.

Refuses to know how a number is made: that is `/metrics`. Invariant: a second run changes nothing.

    dashboards.py           write the files
    dashboards.py --check   say which are not current; exit status 1 when one is not
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "ops" / "grafana"
RATE = "$__rate_interval"
ONLY = 'model=~"$model"'
WIDTH, HEIGHT, COLUMNS = 8, 8, 24


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    """Expression and legend."""
    kind: str = "timeseries"


def quantile(share: float, name: str, by: str, only: str = "") -> str:
    """Returns the query of a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket{{{only}}}[{RATE}])))"


def rate(name: str, by: str, only: str = ONLY) -> str:
    """Returns the query of a counter's rate."""
    return f"sum by ({by}) (rate({name}{{{only}}}[{RATE}]))"


SERVED = 'gen_ai_request_model=~"$model"'
CALLS = f"sum(rate(pilothouse_requests_total{{{ONLY}}}[{RATE}]))"
BAD = f'sum(rate(pilothouse_errors_total{{{ONLY},kind=~"provider|server"}}[{RATE}])) or vector(0)'

OVERVIEW = (
    Panel("Requests a second", "reqps", ((rate("pilothouse_requests_total", "model"), "{{model}}"),)),
    Panel("Errors, as a share of calls", "percentunit", ((f"({BAD}) / {CALLS}", "provider and ours"),)),
    Panel("Errors by whose doing", "reqps", ((rate("pilothouse_errors_total", "kind"), "{{kind}}"),)),
    Panel(
        "Latency",
        "s",
        tuple(
            (quantile(share, "pilothouse_request_duration_seconds", "model", ONLY), f"p{name} {{{{model}}}}")
            for share, name in ((0.5, 50), (0.95, 95), (0.99, 99))
        ),
    ),
    Panel(
        "Time to first token, p95",
        "s",
        ((quantile(0.95, "pilothouse_first_token_seconds", "model", ONLY), "{{model}}"),),
    ),
    Panel(
        "Our own time per call, p95",
        "s",
        ((quantile(0.95, "pilothouse_overhead_seconds", "model", ONLY), "{{model}}"),),
    ),
    Panel(
        "Tokens a second",
        "short",
        (
            (rate("pilothouse_input_tokens_total", "model"), "in {{model}}"),
            (rate("pilothouse_output_tokens_total", "model"), "out {{model}}"),
        ),
    ),
    Panel(
        "Cost an hour",
        "currencyUSD",
        ((rate("pilothouse_cost_usd_total", "model") + " * 3600", "{{model}}"),),
    ),
    Panel("Calls under way", "short", (("sum(pilothouse_gateway_in_flight)", "calls"),)),
    Panel(
        "Waiting to be let in",
        "short",
        (("sum by (priority) (pilothouse_gateway_queued)", "{{priority}}"),),
    ),
    Panel(
        "Turned away",
        "reqps",
        (
            (f"sum(rate(pilothouse_gateway_shed_total[{RATE}]))", "no room in time"),
            (f"sum(rate(pilothouse_gateway_limited_total[{RATE}]))", "over a limit"),
        ),
    ),
    Panel("The record is behind by", "s", (("max(pilothouse_ingest_lag_seconds)", "lag"),)),
)

MODELS = (
    Panel(
        "Calls by deployment",
        "reqps",
        ((rate("pilothouse_requests_total", "deployment"), "{{deployment}}"),),
    ),
    Panel("Tries by reason", "reqps", ((rate("pilothouse_attempts_total", "reason"), "{{reason}}"),)),
    Panel(
        "Breakers that are not closed",
        "short",
        (('sum by (deployment) (pilothouse_deployment_breaker{state!="closed"})', "{{deployment}}"),),
    ),
    Panel(
        "Server request duration, p95",
        "s",
        (
            (
                quantile(0.95, "gen_ai_server_request_duration_seconds", "gen_ai_request_model", SERVED),
                "{{gen_ai_request_model}}",
            ),
        ),
    ),
    Panel(
        "Server time to first token, p95",
        "s",
        (
            (
                quantile(0.95, "gen_ai_server_time_to_first_token_seconds", "gen_ai_request_model", SERVED),
                "{{gen_ai_request_model}}",
            ),
        ),
    ),
    Panel(
        "Server time per output token, p95",
        "s",
        (
            (
                quantile(0.95, "gen_ai_server_time_per_output_token_seconds", "gen_ai_request_model", SERVED),
                "{{gen_ai_request_model}}",
            ),
        ),
    ),
    Panel(
        "Upstream duration by provider, p95",
        "s",
        (
            (
                quantile(0.95, "gen_ai_client_operation_duration_seconds", "gen_ai_provider_name", SERVED),
                "{{gen_ai_provider_name}}",
            ),
        ),
    ),
    Panel(
        "Tokens a call, p95",
        "short",
        (
            (
                quantile(0.95, "gen_ai_client_token_usage", "gen_ai_token_type", SERVED),
                "{{gen_ai_token_type}}",
            ),
        ),
    ),
    Panel(
        "Cached answers, as a share of look-ups",
        "percentunit",
        (
            (
                (
                    f'sum by (model) (rate(pilothouse_cache_lookups_total{{{ONLY},kind!="miss"}}[{RATE}])) / '
                    f"sum by (model) (rate(pilothouse_cache_lookups_total{{{ONLY}}}[{RATE}]))"
                ),
                "{{model}}",
            ),
        ),
    ),
    Panel(
        "Second attempts",
        "reqps",
        tuple(
            (f"sum(rate(pilothouse_gateway_{name}_total[{RATE}]))", name)
            for name in ("retries", "fallbacks", "hedges")
        ),
    ),
    Panel(
        "Attempts under way by deployment",
        "short",
        (("sum by (deployment) (pilothouse_deployment_in_flight)", "{{deployment}}"),),
    ),
    Panel(
        "Moving latency by deployment",
        "s",
        (("max by (deployment) (pilothouse_deployment_latency_ewma_seconds)", "{{deployment}}"),),
    ),
)

ENGINES = (
    Panel("Running", "short", (("sum by (deployment) (vllm:num_requests_running)", "{{deployment}}"),)),
    Panel("Waiting", "short", (("sum by (deployment) (vllm:num_requests_waiting)", "{{deployment}}"),)),
    Panel(
        "Tokens a second",
        "short",
        (
            (f"sum by (deployment) (rate(vllm:prompt_tokens_total[{RATE}]))", "in {{deployment}}"),
            (f"sum by (deployment) (rate(vllm:generation_tokens_total[{RATE}]))", "out {{deployment}}"),
        ),
    ),
    Panel(
        "Time to first token",
        "s",
        tuple(
            (quantile(share, "vllm:time_to_first_token_seconds", "deployment"), f"p{name} {{{{deployment}}}}")
            for share, name in ((0.5, 50), (0.95, 95))
        ),
    ),
    Panel(
        "Between two tokens, p95",
        "s",
        ((quantile(0.95, "vllm:inter_token_latency_seconds", "deployment"), "{{deployment}}"),),
    ),
    Panel(
        "Cache of keys and values in use",
        "percentunit",
        (("max by (deployment) (vllm:kv_cache_usage_perc)", "{{deployment}}"),),
    ),
    Panel(
        "Slots in use",
        "percentunit",
        (("pilothouse_engine_slots_busy / pilothouse_engine_slots", "{{deployment}}"),),
    ),
    Panel("Engines ready", "short", (("pilothouse_engine_ready", "{{deployment}}"),)),
    Panel("Memory of engines", "bytes", (("pilothouse_engine_resident_bytes", "{{deployment}}"),)),
)

MACHINE = (
    Panel(
        "CPU in use",
        "percentunit",
        (
            (
                (
                    f'sum(rate(pilothouse_machine_cpu_seconds_total{{state="busy"}}[{RATE}])) / '
                    f"sum(rate(pilothouse_machine_cpu_seconds_total[{RATE}]))"
                ),
                "machine",
            ),
        ),
    ),
    Panel("Load", "short", (("pilothouse_machine_load", "{{over}}"),)),
    Panel(
        "Memory in use",
        "percentunit",
        (
            (
                (
                    '1 - pilothouse_machine_memory_bytes{state="available"} / '
                    'ignoring(state) pilothouse_machine_memory_bytes{state="total"}'
                ),
                "machine",
            ),
        ),
    ),
    Panel("Disk free", "bytes", (('pilothouse_machine_disk_bytes{state="free"}', "home"),)),
    Panel("Memory of processes", "bytes", (("pilothouse_process_resident_bytes", "{{process}}"),)),
    Panel(
        "CPU of processes",
        "short",
        ((f"rate(pilothouse_process_cpu_seconds_total[{RATE}])", "{{process}}"),),
    ),
    Panel("Open files of processes", "short", (("pilothouse_process_open_files", "{{process}}"),)),
    Panel("GPU use", "percentunit", (("pilothouse_gpu_use_ratio", "GPU {{gpu}}"),)),
    Panel(
        "GPU memory in use",
        "bytes",
        (('pilothouse_gpu_memory_bytes{state="used"}', "GPU {{gpu}}"),),
    ),
    Panel("GPU power", "watt", (("pilothouse_gpu_power_watts", "GPU {{gpu}}"),)),
    Panel("GPU temperature", "celsius", (("pilothouse_gpu_temperature_celsius", "GPU {{gpu}}"),)),
    Panel(
        "GPU critical errors (Xid) in the last hour",
        "short",
        (("increase(pilothouse_gpu_xid_errors_total[1h])", "GPU {{gpu}} Xid {{xid}}"),),
    ),
)

COST = (
    Panel(
        "Cost of the time shown",
        "currencyUSD",
        ((f"sum(increase(pilothouse_cost_usd_total{{{ONLY}}}[$__range]))", "cost"),),
        "stat",
    ),
    Panel(
        "Saved by cached answers",
        "currencyUSD",
        ((f"sum(increase(pilothouse_saved_usd_total{{{ONLY}}}[$__range]))", "saved"),),
        "stat",
    ),
    Panel(
        "Calls of unknown cost, as a share",
        "percentunit",
        (
            (
                (
                    f"sum(increase(pilothouse_unpriced_calls_total{{{ONLY}}}[$__range])) / "
                    f"sum(increase(pilothouse_requests_total{{{ONLY}}}[$__range]))"
                ),
                "unpriced",
            ),
        ),
        "stat",
    ),
    Panel(
        "Cost an hour by model",
        "currencyUSD",
        ((rate("pilothouse_cost_usd_total", "model") + " * 3600", "{{model}}"),),
    ),
    Panel(
        "Cost an hour by team",
        "currencyUSD",
        ((rate("pilothouse_cost_usd_total", "team") + " * 3600", "{{team}}"),),
    ),
    Panel(
        "Cost an hour by provider",
        "currencyUSD",
        ((rate("pilothouse_cost_usd_total", "provider") + " * 3600", "{{provider}}"),),
    ),
    Panel(
        "Tokens read from providers' caches, as a share",
        "percentunit",
        (
            (
                (
                    f"sum(rate(pilothouse_cached_tokens_total{{{ONLY}}}[{RATE}])) / "
                    f"sum(rate(pilothouse_input_tokens_total{{{ONLY}}}[{RATE}]))"
                ),
                "cached",
            ),
        ),
    ),
    Panel(
        "Tokens a second by team", "short", ((rate("pilothouse_output_tokens_total", "team"), "{{team}}"),)
    ),
    Panel(
        "Cost of shadows an hour",
        "currencyUSD",
        ((rate("pilothouse_shadow_cost_usd_total", "model") + " * 3600", "{{model}}"),),
    ),
)

DASHBOARDS = {
    "overview": ("Pilothouse: overview", OVERVIEW),
    "models": ("Pilothouse: models and providers", MODELS),
    "engines": ("Pilothouse: engines", ENGINES),
    "machine": ("Pilothouse: machine", MACHINE),
    "cost": ("Pilothouse: cost", COST),
}


def source() -> dict[str, str]:
    """Returns the reference to the Prometheus that a person chooses."""
    return {"type": "prometheus", "uid": "${datasource}"}


def panel(number: int, drawn: Panel) -> dict[str, Any]:
    """Returns a panel as Grafana has it."""
    across = COLUMNS // WIDTH
    return {
        "id": number + 1,
        "type": drawn.kind,
        "title": drawn.title,
        "datasource": source(),
        "gridPos": {"x": number % across * WIDTH, "y": number // across * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": drawn.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + place), "expr": expression, "legendFormat": legend, "datasource": source()}
            for place, (expression, legend) in enumerate(drawn.queries)
        ],
    }


def dashboard(name: str, title: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """Returns a dashboard as Grafana has it."""
    return {
        "uid": f"pilothouse-{name}",
        "title": title,
        "tags": ["pilothouse"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["pilothouse"], "title": "Pilothouse", "asDropdown": True}],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "model",
                    "type": "query",
                    "label": "Model",
                    "datasource": source(),
                    "query": "label_values(pilothouse_requests_total, model)",
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": [panel(number, drawn) for number, drawn in enumerate(panels)],
    }


def stale(folder: Path) -> dict[str, str]:
    """Returns the files that differ from what the tables say, with their right text."""
    wanted = {
        f"{name}.json": json.dumps(dashboard(name, *parts), indent=1) + "\n"
        for name, parts in DASHBOARDS.items()
    }
    return {
        name: text
        for name, text in wanted.items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    }


def main(arguments: list[str]) -> int:
    """Writes the files, or with `--check` compares them; returns the exit status."""
    changed = stale(FOLDER)
    if "--check" in arguments:
        if changed:
            print(f"Not current: {', '.join(changed)}. Run `make docs`.")
        return 1 if changed else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in changed.items():
        (FOLDER / name).write_text(text)
        print(f"Wrote ops/grafana/{name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
