"""What the console's tests share: the built page, a fake server for each test, Chromium, and a watched page.

Refuses to know any view. Invariant: a watched page fails its test when the browser reported an error, or when
it asked anything of another origin.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the fake server is imported by its full name

from tests.integration.console.fake_api import FakeApi  # noqa: E402 - needs the line above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
"""How long an expectation may wait: a busy machine is no bug."""
WIDE = (1280, 800)
NARROW = (390, 844)


class Watch:
    """What the browser said while a page was open."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        """Declares an error that the test brings about on purpose."""
        self.allowed.append(pattern)

    def attach(self, page: Page) -> None:
        """Listens to a page."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)

    def _on_console(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def _on_request(self, asked: Request) -> None:
        if not asked.url.startswith(f"{self.origin}/"):
            self.elsewhere.append(asked.url)

    def unexpected(self) -> list[str]:
        """The errors that no test has asked for."""
        return [
            error for error in self.errors if not any(re.search(pattern, error) for pattern in self.allowed)
        ]


@pytest.fixture(scope="session")
def built_page() -> None:
    """Builds the page if it has changed, as `make console` does."""
    script = ROOT / "scripts" / "build_console.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once for a file of tests: Playwright's loop must not outlive it, for others use asyncio."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def api(built_page: None, require: Callable[[str], str]) -> Iterator[FakeApi]:
    """A server with some calls on record."""
    require("chromium")
    server = FakeApi()
    yield server
    server.stop()


@pytest.fixture
def origin(api: FakeApi) -> str:
    """Where the server listens."""
    return api.start()


@pytest.fixture
def watch(origin: str) -> Watch:
    """The watcher of the test's pages."""
    return Watch(origin)


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a profile of its own: `open_page("/keys", size=NARROW, scheme="dark")`."""
    contexts = []
    expect.set_options(timeout=PATIENCE_MS)

    def open_one(
        path: str = "/", *, size: tuple[int, int] = WIDE, scheme: str = "light", is_signed_in: bool = True
    ) -> Page:
        context = browser.new_context(
            base_url=watch.origin,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",  # without a GPU a moving dot takes a core
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        if is_signed_in:
            context.request.get("/signin?token=any")
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert watch.unexpected() == []
    assert watch.elsewhere == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A signed-in page on the overview."""
    return open_page()
