"""`pilothouse signin`: a single-use link into the console.

Refuses to know sessions. Invariant: the link is printed, never kept.
"""

import time

import typer

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import HomeOption, JsonOption, home_of

MS_IN_MINUTE = 60_000


def signin(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Prints a link that signs one browser in, once."""
    management = Management(home_of(home))
    link = management.call("POST", "/api/v1/signin-links", {})
    address = management.call("GET", "/api/v1/status")["supervisor"]["address"]
    url = f"{address}{link['path']}"
    if as_json:
        display.print_json({"url": url, "expires_at_ms": link["expires_at_ms"]})
        return
    minutes = (link["expires_at_ms"] - time.time() * 1000) / MS_IN_MINUTE
    typer.echo(url)
    display.console().print(f"[dim]Works once, for {minutes:.0f} minutes.[/]")
