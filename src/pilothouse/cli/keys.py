"""`pilothouse keys`: create, list, update, revoke and rotate API keys.

Refuses to know how keys are kept. Invariant: a key's text is printed once, when it is made.
"""

import time
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import HomeOption, JsonOption, home_of

app = typer.Typer(no_args_is_help=True, help="Create, list, update, revoke and rotate API keys.")

Rpm = Annotated[int | None, typer.Option("--rpm", min=1, help="Calls in any minute, at most.")]
Tpm = Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens, in and out, in any minute, at most.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Calls under way at once, at most.")]
BudgetDay = Annotated[float | None, typer.Option(min=0, help="US dollars a UTC day, at most.")]
BudgetMonth = Annotated[float | None, typer.Option(min=0, help="US dollars a UTC calendar month, at most.")]
PriorityOption = Annotated[
    str | None,
    typer.Option("--priority", help="high, normal or low: who waits when there is too much to do."),
]
LIMITS = {
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "concurrency": "concurrency",
    "budget-day": "budget_day_usd",
    "budget-month": "budget_month_usd",
}
"""Options by the name of the limit in the management API."""


@app.command()
def create(  # noqa: PLR0913 - an option each
    name: Annotated[str, typer.Argument(help="What the key is for, as people will see it.")],
    *,
    role: Annotated[str, typer.Option(help="root, admin, member or viewer.")] = "member",
    team: Annotated[str | None, typer.Option(help="A label to group costs by.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Allow only this model; may be given several times.")
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, help="Stop working after so many days.")
    ] = None,
    no_content: Annotated[
        bool, typer.Option("--no-content", help="Record no messages of this key's calls, only numbers.")
    ] = False,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    budget_day: BudgetDay = None,
    budget_month: BudgetMonth = None,
    priority: PriorityOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes an API key and prints it, once."""
    expires_at_ms = None
    if expires_in_days is not None:
        expires_at_ms = int((time.time() + timedelta(days=expires_in_days).total_seconds()) * 1000)
    body: dict[str, Any] = {
        "name": name,
        "role": role,
        "team": team,
        "models": model or None,
        "expires_at_ms": expires_at_ms,
        "record": {"content": "none"} if no_content else None,
        "limits": _limits(rpm, tpm, concurrency, budget_day, budget_month),
    }
    if priority is not None:
        body["priority"] = priority
    _show_once(Management(home_of(home)).call("POST", "/api/v1/keys", body), as_json=as_json)


@app.command("list")
def list_keys(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Lists the keys, without their texts."""
    keys = Management(home_of(home)).call("GET", "/api/v1/keys")["data"]
    if as_json:
        display.print_json(keys)
        return
    table = display.table(
        "ID", "NAME", "ROLE", "TEAM", "MODELS", "LIMITS", "PRIORITY", "CREATED (UTC)", "LAST USED", "STATE"
    )
    for key in keys:
        table.add_row(
            key["id"],
            escape(key["name"]),
            key["role"],
            escape(display.value(key["team"])),
            escape(display.value(key["models"] if key["models"] is not None else "all")),
            _shown_limits(key["limits"]),
            key["priority"],
            display.clock(key["created_at_ms"]),
            display.clock(key["last_used_at_ms"]),
            _state(key, time.time() * 1000),
        )
    display.console().print(table if keys else "There is no key yet. Make one: pilothouse keys create NAME")


@app.command()
def update(
    key_id: Annotated[str, typer.Argument(help="The key's ID, as `pilothouse keys list` shows it.")],
    *,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    budget_day: BudgetDay = None,
    budget_month: BudgetMonth = None,
    priority: PriorityOption = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(help=f"Take a limit away ({', '.join(LIMITS)}); may be given several times."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Changes what a key may use; gateways obey within a second."""
    for name in clear or ():
        if name not in LIMITS:
            raise typer.BadParameter(f"{name!r} is no limit; there is: {', '.join(LIMITS)}.")
    limits = _limits(rpm, tpm, concurrency, budget_day, budget_month)
    limits |= {LIMITS[name]: None for name in clear or ()}
    body: dict[str, Any] = {"limits": limits} if limits else {}
    if priority is not None:
        body["priority"] = priority
    if not body:
        raise typer.BadParameter("Nothing is to be changed: give a limit, --priority or --clear.")
    key = Management(home_of(home)).call("PATCH", f"/api/v1/keys/{key_id}", body)
    if as_json:
        display.print_json(key)
    else:
        out = display.console()
        out.print(f"{key['id']} ({escape(key['name'])}): {_shown_limits(key['limits'])}, {key['priority']}")


def _limits(*given: float | None) -> dict[str, float | None]:
    """Returns the limits that were given, in the order of `LIMITS`, by their names in the API."""
    named = zip(LIMITS.values(), given, strict=True)
    return {name: value for name, value in named if value is not None}


def _shown_limits(limits: dict[str, Any]) -> str:
    """Returns a key's limits as a cell."""
    units = {"rpm": "{:,} rpm", "tpm": "{:,} tpm", "concurrency": "{:,} at once"}
    units |= {"budget-day": "${:,.2f} a day", "budget-month": "${:,.2f} a month"}
    shown = (units[o].format(limits[name]) for o, name in LIMITS.items() if limits[name] is not None)
    return ", ".join(shown) or display.DASH


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's ID, as `pilothouse keys list` shows it.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends a key; gateways refuse it within a second."""
    key = Management(home_of(home)).call("POST", f"/api/v1/keys/{key_id}/revoke")
    if as_json:
        display.print_json(key)
    else:
        display.console().print(f"Revoked {key_id}.")


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key's ID, as `pilothouse keys list` shows it.")],
    *,
    grace_s: Annotated[int, typer.Option(min=0, help="Let the old text work for so many seconds more.")] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gives a key a new text and prints it, once."""
    management = Management(home_of(home))
    key = management.call("POST", f"/api/v1/keys/{key_id}/rotate", {"grace_s": grace_s})
    _show_once(key, as_json=as_json)


def _show_once(key: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        display.print_json(key)
        return
    out = display.console()
    out.print(f"[bold]{escape(key['key'])}[/]", soft_wrap=True)
    out.print(f"[dim]{key['id']} ({escape(key['name'])}). It is shown only now: keep it somewhere safe.[/]")


def _state(key: dict[str, Any], now_ms: float) -> str:
    if key["revoked_at_ms"] is not None and key["revoked_at_ms"] <= now_ms:
        return "[red]revoked[/]"
    if key["expires_at_ms"] is not None and key["expires_at_ms"] <= now_ms:
        return "[yellow]expired[/]"
    return "[green]active[/]"
