"""What `up` tells a person: a few lines on a terminal, plain ones elsewhere.

Refuses to know how anything is started. Invariant: a secret is printed to a terminal only, and at most once.
"""

from rich.console import Console
from rich.markup import escape

from pilothouse.contracts.status import EngineStatus


class Announcer:
    """Prints the start, what is ready, what failed, and the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, str] = {}

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking, as opposed to a log."""
        return self._console.is_terminal

    def starting(self, version: str, home: str) -> None:
        """Says what starts, and where its files are."""
        self._console.print(f"[bold]Pilothouse {version}[/]  [dim]home {escape(home)}[/]")

    def warn(self, text: str) -> None:
        """Says something a person should know."""
        self._console.print(f"[yellow]![/] {escape(text)}")

    def engine(self, status: EngineStatus) -> None:
        """Says that an engine's state has changed, when a person wants to know."""
        if self._told.get(status.deployment) == status.state:
            return
        before = self._told.get(status.deployment)
        self._told[status.deployment] = status.state
        name = escape(status.deployment)
        if status.state == "ready":
            took = f" after {status.ready_after_s:.1f} s" if status.ready_after_s is not None else ""
            self._console.print(f"[green]✓[/] {name} is ready{took}")
        elif status.state == "restarting":
            self._console.print(
                f"[yellow]![/] {name} ended and is started again: {escape(status.reason or '')}"
            )
        elif status.state == "failed":
            self._console.print(f"[red]✗[/] {name} does not start: {escape(status.reason or '')}")
        elif status.state == "stopped" and before:
            self._console.print(f"[dim]{name} is stopped[/]")

    def known(self, deployment: str) -> None:
        """Notes an engine that was ready before, of which nobody need be told."""
        self._told[deployment] = "ready"

    def done(self, text: str) -> None:
        """Says that an order was carried out."""
        self._console.print(f"[green]✓[/] {escape(text)}")

    def gateway_ready(self, address: str) -> None:
        """Says where clients can reach it."""
        self._console.print(f"[green]✓[/] The gateway answers on [bold]{address}/v1[/]")

    def root_key(self, text: str, path: str) -> None:
        """Shows a root key that was just made, to a terminal; elsewhere only where it is kept."""
        if self.is_terminal:
            self._console.print(f"  API key  [bold]{escape(text)}[/]", soft_wrap=True)
            self._console.print(f"  [dim]It is shown only now, and kept in {escape(path)}[/]", soft_wrap=True)
        else:
            self._console.print(f"  The root API key is in {escape(path)}", soft_wrap=True)

    def signin(self, url: str) -> None:
        """Shows a single-use sign-in link, to a terminal; elsewhere how to get one."""
        if self.is_terminal:
            self._console.print(f"  Sign in  [bold]{escape(url)}[/]", soft_wrap=True)
            self._console.print("  [dim]Works once, for 15 minutes; another one: pilothouse signin[/]")
        else:
            self._console.print("  Sign in: run `pilothouse signin` for a link")

    def stopping(self) -> None:
        """Says that the end has begun."""
        self._console.print("[dim]Stopping; running calls may finish. Ctrl-C again to end at once.[/]")

    def stopped(self) -> None:
        """Says that all processes have ended."""
        self._console.print("[dim]Stopped.[/]")
