"""`pilothouse alerts`: what is wrong, who takes care of it, what is kept quiet, and whether receivers hear.

Refuses to know how alerts are judged. Invariant: what a command changes, the console shows too.
"""

import re
import time
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.text import Text

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import HomeOption, JsonOption, home_of

app = typer.Typer(no_args_is_help=True, help="Read, acknowledge and silence alerts, and test receivers.")

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SPAN = re.compile(r"\A(\d+(?:\.\d+)?)([smhd])\Z")
COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}
MOST_SHOWN = 100


@app.command("list")
def list_alerts(
    *,
    state: Annotated[
        Literal["open", "silenced", "acknowledged", "pending", "resolved", "all"],
        typer.Option(help="Which ones; `open` has the acknowledged ones too."),
    ] = "open",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists alerts, newest first."""
    management = Management(home_of(home))
    found = management.call("GET", "/api/v1/alerts", state=state, limit=MOST_SHOWN)["data"]
    if as_json:
        display.print_json(found)
        return
    table = display.table("ID", "SEVERITY", "STATE", "WHAT", "SINCE (UTC)", "BY")
    for alert in found:
        quiet = " (silenced)" if alert["silenced_until_ms"] else ""
        table.add_row(
            alert["id"],
            Text(alert["severity"], style=COLOURS.get(alert["severity"], "")),
            alert["state"] + quiet,
            escape(alert["summary"]),
            display.clock(alert["opened_at_ms"] or alert["pending_at_ms"]),
            escape(display.value(alert["acknowledged_by"])),
        )
    display.console().print(table if found else f"No alert is {state}." if state != "all" else "No alerts.")


@app.command()
def acknowledge(
    alert_id: Annotated[str, typer.Argument(help="The alert's ID, as `pilothouse alerts list` shows it.")],
    *,
    note: Annotated[str | None, typer.Option(help="What you know or do.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Notes that you take care of an alert; reminders stop."""
    management = Management(home_of(home))
    alert = management.call("POST", f"/api/v1/alerts/{alert_id}/acknowledge", {"note": note})
    _show(alert, f"Acknowledged: {escape(alert['summary'])}.", as_json=as_json)


@app.command()
def silence(
    matchers: Annotated[
        list[str], typer.Argument(help="LABEL=VALUE, such as rule=availability or model=gpt-*.")
    ],
    *,
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")] = "1h",
    reason: Annotated[str, typer.Option(help="Why.")] = "silenced from the command line",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells nobody of alerts with these labels for a time; they are still shown."""
    body = {"matchers": _matchers(matchers), "duration_s": _seconds(duration), "reason": reason}
    made = Management(home_of(home)).call("POST", "/api/v1/silences", body)
    _show(made, f"{made['id']}: quiet until {display.clock(made['ends_at_ms'])} UTC.", as_json=as_json)


@app.command()
def unsilence(
    silence_id: Annotated[str, typer.Argument(help="The silence's ID, as `alerts silences` shows it.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends a silence."""
    ended = Management(home_of(home)).call("DELETE", f"/api/v1/silences/{silence_id}")
    _show(ended, f"{silence_id} has ended.", as_json=as_json)


@app.command()
def silences(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Lists the silences that hold or will."""
    found = Management(home_of(home)).call("GET", "/api/v1/silences")["data"]
    if as_json:
        display.print_json(found)
        return
    table = display.table("ID", "ALERTS WITH", "REASON", "FROM (UTC)", "UNTIL", "BY")
    for one in found:
        labels = ", ".join(f"{name}={value}" for name, value in one["matchers"].items())
        table.add_row(
            one["id"],
            escape(labels),
            escape(one["reason"]),
            display.clock(one["starts_at_ms"]),
            display.clock(one["ends_at_ms"]),
            escape(display.value(one["created_by"])),
        )
    display.console().print(table if found else "Nothing is silenced.")


@app.command()
def rules(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Lists the rules, where each comes from, and when it was judged last."""
    found = Management(home_of(home)).call("GET", "/api/v1/alert-rules")["data"]
    if as_json:
        display.print_json(found)
        return
    table = display.table("NAME", "KIND", "WATCHES", "TELLS", "FROM", "JUDGED")
    for rule in found:
        settings = rule["settings"]
        judged = f"[red]{escape(rule['error'])}[/]" if rule["error"] else _ago(rule["judged_at_ms"])
        table.add_row(
            escape(rule["name"]),
            settings["kind"],
            escape(settings.get("measure") or settings.get("objective") or "all objectives"),
            escape(display.value(list(rule["receivers"]))),
            rule["origin"],
            "off" if settings.get("is_off") else judged,
        )
    display.console().print(table)


@app.command("test")
def try_receiver(
    receiver: Annotated[str, typer.Argument(help="The receiver's name in the configuration.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells a receiver that this is a test."""
    told = Management(home_of(home)).call("POST", f"/api/v1/receivers/{receiver}/test")
    _show(told, f"{escape(receiver)} took the test notice.", as_json=as_json)


def _show(found: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        display.print_json(found)
    else:
        display.console().print(said)


def _matchers(texts: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign or not value:
            raise typer.BadParameter(f"{text!r} is not LABEL=VALUE, such as rule=availability.")
        made[name] = value
    return made


def _seconds(text: str) -> float:
    found = SPAN.match(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time; write 30m, 2h or 1d.")
    return float(found[1]) * UNITS_S[found[2]]


def _ago(at_ms: float | None) -> str:
    if at_ms is None:
        return display.DASH
    return f"{max(0, round(time.time() - at_ms / display.MS_IN_S))} s ago"
