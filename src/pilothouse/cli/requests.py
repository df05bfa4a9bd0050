"""`pilothouse requests`: list, show and follow recorded calls.

Refuses to know how calls are stored. Invariant: what is shown is what the management API answered.
"""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import HomeOption, JsonOption, home_of

app = typer.Typer(no_args_is_help=True, help="List, show and follow recorded calls.")

COLUMNS = ("TIME (UTC)", "ID", "MODEL", "STATUS", "HOW", "FIRST TOKEN", "TOTAL", "IN", "OUT", "COST", "KEY")
NARROW = ("ID", "MODEL", "STATUS", "TOTAL", "OUT")
"""Columns for a terminal narrower than `WIDE`; `pilothouse requests show ID` has the others."""
WIDE = 140
PANEL_WIDTH = 110
BAR_WIDTH = 24
RIGHT = ("FIRST TOKEN", "TOTAL", "IN", "OUT", "COST")


@app.command("list")
def list_requests(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only completed, refused, failed, cancelled or cut.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Only this key's, by its ID.")] = None,
    before: Annotated[str | None, typer.Option(help="Only calls older than the call with this ID.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists recorded calls, newest first."""
    page = Management(home_of(home)).call(
        "GET", "/api/v1/requests", limit=limit, model=model, outcome=outcome, key_id=key, before=before
    )
    if as_json:
        display.print_json(page)
        return
    out = display.console()
    shown = COLUMNS if out.width >= WIDE else NARROW
    table = display.table(*shown, right=RIGHT)
    for call in page["data"]:
        cells = dict(zip(COLUMNS, _cells(call), strict=True))
        table.add_row(*(cells[name] for name in shown))
    out.print(table if page["data"] else "No call is on record yet that fits.")
    if page["next_before"]:
        out.print(f"[dim]Older: pilothouse requests list --before {page['next_before']}[/]")


@app.command()
def tail(
    *,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follows new calls as they end; Ctrl-C stops."""
    out = display.console()
    if not as_json:
        out.print(f"[dim]{_line(dict(zip(COLUMNS, COLUMNS, strict=True)))}[/]")
    for call in Management(home_of(home)).events("/api/v1/requests/tail"):
        if model is not None and call["model"] != model:
            continue
        if as_json:
            typer.echo(json.dumps(call, ensure_ascii=False))
        else:
            cells = [str(cell) for cell in _cells(call)]
            out.print(_line(dict(zip(COLUMNS, cells, strict=True))), markup=False)


@app.command()
def show(
    call_id: Annotated[str, typer.Argument(help="A call's ID, or the x-request-id of its answer.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows one call: messages, parameters, timings, tokens, cost."""
    call = Management(home_of(home)).call("GET", f"/api/v1/requests/{call_id}")
    if as_json:
        display.print_json(call)
        return
    out = display.console()
    facts = display.table("", "")
    for name, cell in _facts(call):
        facts.add_row(f"[dim]{name}[/]", escape(cell))
    out.print(facts)
    _show_attempts(out, call["attempts"])
    _show_content(out, call["content"])


def _cells(call: dict[str, Any]) -> list[Any]:
    return [
        display.clock(call["at_ms"]),
        call["call_id"],
        escape(display.value(call["model"])),
        display.status(call["status"], call["outcome"]),
        _how(call),
        display.duration(call["first_token_ms"]),
        display.duration(call["duration_ms"]),
        display.count(call["input_tokens"]),
        display.count(call["output_tokens"]),
        display.dollars(call["cost_usd"]),
        escape(display.value(call["key_name"] or call["key_id"])),
    ]


WIDTHS = (19, 32, 26, 14, 10, 11, 10, 7, 7, 12, 16)


def _how(call: dict[str, Any]) -> str:
    """Returns in a word what is special about a call: a cached answer, a shadow, another protocol."""
    special = "shadow" if call["shadow_of"] else call["cache"]
    return str(special or (call["dialect"] if call["dialect"] != "openai" else display.DASH))


def _line(cells: dict[str, str]) -> str:
    aligned = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for (name, cell), width in zip(cells.items(), WIDTHS, strict=True)
    ]
    return "  ".join(aligned).rstrip()


def _facts(call: dict[str, Any]) -> list[tuple[str, str]]:
    answered = f" (answered by {call['model_answered']})" if call["model_answered"] else ""
    facts = [
        ("call", call["call_id"]),
        ("request id", call["request_id"]),
        ("time (UTC)", display.clock(call["at_ms"])),
        ("model", f"{display.value(call['model'])}{answered}"),
        ("deployment", f"{display.value(call['deployment'])} of {display.value(call['provider'])}"),
        ("key", f"{display.value(call['key_name'])} ({display.value(call['key_id'])})"),
        ("status", f"{call['status']} {call['outcome']}"),
        ("error", display.value(call["error_message"])),
        ("finish", display.value(call["finish_reasons"])),
        ("queue", display.duration(call["queue_ms"])),
        ("first token", display.duration(call["first_token_ms"])),
        ("total", display.duration(call["duration_ms"])),
        ("tokens", f"{display.count(call['input_tokens'])} in, {display.count(call['output_tokens'])} out"),
        ("tokens/s", display.count(call["tokens_per_second"])),
        ("cost", display.dollars(call["cost_usd"])),
        ("saved", display.DASH if call["saved_usd"] is None else display.dollars(call["saved_usd"])),
        ("cache", display.value(call["cache"])),
        ("dialect", call["dialect"]),
        ("priority", call["priority"]),
        ("experiment", _experiment(call)),
        ("shadow of", display.value(call["shadow_of"])),
        ("parameters", json.dumps(call["parameters"])),
        ("trace", display.value(call["trace_id"])),
    ]
    return [fact for fact in facts if fact[1] != display.DASH]


def _experiment(call: dict[str, Any]) -> str:
    return f"{call['experiment']}, arm {call['arm']}" if call["experiment"] else display.DASH


def _show_attempts(out: Console, attempts: list[dict[str, Any]]) -> None:
    """Shows each try at a deployment, and when in the call it was made."""
    if not attempts:
        return
    table = display.table(
        "ATTEMPT", "WHY", "DEPLOYMENT", "STATUS", "STARTED", "TOOK", "WHEN", right=("STARTED", "TOOK")
    )
    started = [attempt.get("started_ms", 0.0) for attempt in attempts]
    took = [attempt.get("duration_ms", 0.0) for attempt in attempts]
    whole_ms = max(start + duration for start, duration in zip(started, took, strict=True)) or 1.0
    for number, attempt in enumerate(attempts):
        table.add_row(
            str(number + 1),
            attempt.get("reason", "first"),
            escape(attempt["deployment"]),
            escape(display.value(attempt.get("error_code") or attempt.get("status"))),
            display.duration(started[number]),
            display.duration(took[number]),
            _bar(started[number] / whole_ms, took[number] / whole_ms),
        )
    out.print(table)


def _bar(start: float, length: float) -> str:
    """Returns a part of a whole as a bar in a line of `BAR_WIDTH` characters."""
    before = min(round(start * BAR_WIDTH), BAR_WIDTH - 1)
    return " " * before + "━" * max(1, min(round(length * BAR_WIDTH), BAR_WIDTH - before))


def _show_content(out: Console, content: dict[str, Any]) -> None:
    if content["state"] in {"none", "erased"}:
        out.print(f"[dim]content: {content['state']}[/]")
        return
    for title in ("request", "response"):
        found = content[title]
        text = found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False)
        if found is not None:
            out.print(Panel(escape(text), title=title, title_align="left", width=min(out.width, PANEL_WIDTH)))
