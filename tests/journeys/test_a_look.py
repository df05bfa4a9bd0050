"""Somebody looks at a running Pilothouse: every page of the console, in a real browser, over real traffic.

With `PILOTHOUSE_SCREENSHOTS=docs/images` it leaves its pictures there (`make screenshots`).
"""

import base64
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright
from tests.integration.console.conftest import FLAGS, NARROW, PATIENCE_MS, WIDE, Watch

from pilothouse.network import sync

ROOT = Path(__file__).parents[2]
FOR_PICTURES = "PILOTHOUSE_SCREENSHOTS" in os.environ
MOST_IMAGE_BYTES = 150_000
MOST_WIRE_BYTES = 300_000
CONFIGURATION = """
models:
  assistant:
    deployments:
      - {provider: north, model: gpt-4o-mini, weight: 80, price: {input_usd: 0.15, output_usd: 0.6}}
      - {provider: south, model: claude-haiku, weight: 20, price: {input_usd: 0.8, output_usd: 4.0}}
    record: {content: full}
  translator:
    deployments:
      - {provider: north, model: mistral-small, price: {input_usd: 0.1, output_usd: 0.3}}
providers:
  north: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/with/tokens=24,gap_ms=4,delay_ms=30/v1"}
  south: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/with/tokens=24,gap_ms=9,delay_ms=80,status=503,share=0.25/v1"}
objectives:
  answers-come: {measure: availability, goal: 0.99, window: 7d, description: "Calls are answered."}
  quick-first-token: {measure: first_token, threshold_ms: 500, goal: 0.95, window: 7d}
"""
QUESTIONS = (
    "When may a ship enter the harbour?",
    "Explain a pilothouse in two sentences.",
    "How do I get a refund for my ferry ticket?",
    "List three checks before casting off.",
)


@pytest.fixture(scope="module")
def origin(start_shared: Callable[..., Any]) -> Iterator[tuple[Any, str]]:
    """A Pilothouse with traffic on record, and where it is."""
    script = ROOT / "scripts" / "build_console.py"
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    command = [sys.executable, "-m", "bench.mock_upstream", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as mock:
        assert mock.stdout is not None
        try:
            port = mock.stdout.readline().rpartition(":")[2].strip()
            up = start_shared(CONFIGURATION.replace("UPSTREAM", port))
            up.wait_ready()
            _traffic(up)
            yield up, up.base_url
        finally:
            mock.kill()


def _chat(up: Any, number: int, **more: Any) -> sync.Response:
    question = QUESTIONS[number % len(QUESTIONS)]
    asked = {
        "model": ("assistant", "assistant", "translator")[number % 3],
        "messages": [
            {"role": "system", "content": "You are the harbour's assistant."},
            {"role": "user", "content": question},
        ],
        "stream": number % 2 == 0,
        "metadata": {"conversation_id": f"harbour-{number // 4}"},
    }
    headers = {"x-request-id": f"req-look-{number:04d}"}
    answer: sync.Response = up.post("/v1/chat/completions", asked | more, **headers)
    return answer


def _traffic(up: Any) -> None:
    """Calls of every kind, feedback on some, and an application's own trace."""
    if FOR_PICTURES:
        _busy_minutes(up)
    for number in range(48):
        _chat(up, number)
        if number % 12 == 5:
            _chat(up, 1000 + number, model="no-such-model")
    for number in range(0, 30, 3):
        thumbs = "down" if number % 9 == 0 else "up"
        answer = up.post("/v1/feedback", {"request_id": f"req-look-{number:04d}", "thumbs": thumbs})
        assert answer.status == 200, answer.body
    answer = up.post("/v1/traces", _spans(time.time_ns()))
    assert answer.status == 200, answer.body

    def is_on_record() -> bool:
        return bool(json.loads(up.get("/api/v1/overview").body)["calls"] >= 50)

    up.wait(is_on_record, "the calls on record")


def _busy_minutes(up: Any) -> None:
    """So much traffic that the pictures' charts have lines."""
    number, ends = 3000, time.monotonic() + 170
    with ThreadPoolExecutor(4) as pool:
        while time.monotonic() < ends:
            many = 3 + round(2 * math.sin(number / 60) + random.random() * 2)
            list(pool.map(lambda one: _chat(up, one, max_tokens=24), range(number, number + many)))
            number += many
            time.sleep(0.5)


def _spans(now_ns: int) -> dict[str, Any]:
    def attribute(key: str, value: str | int) -> dict[str, Any]:
        kind = "stringValue" if isinstance(value, str) else "intValue"
        return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}

    def span(
        number: int, parent: int | None, name: str, at: float, took: float, **said: Any
    ) -> dict[str, Any]:
        return {
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": f"{number:016x}",
            **({"parentSpanId": f"{parent:016x}"} if parent else {}),
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(now_ns - 2_000_000_000 + int(at * 1e6)),
            "endTimeUnixNano": str(now_ns - 2_000_000_000 + int((at + took) * 1e6)),
            "attributes": [attribute(key.replace("__", "."), value) for key, value in said.items()],
        }

    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": QUESTIONS[2]}]}])
    spans = [
        span(1, None, "invoke_agent harbour", 0, 900, gen_ai__operation__name="invoke_agent"),
        span(2, 1, "retrieval timetable", 20, 120, gen_ai__operation__name="retrieval"),
        span(3, 1, "execute_tool find_ticket", 160, 210, gen_ai__operation__name="execute_tool"),
        span(
            4,
            1,
            "chat gpt-4o-mini",
            390,
            480,
            gen_ai__operation__name="chat",
            gen_ai__provider__name="openai",
            gen_ai__request__model="gpt-4o-mini",
            gen_ai__usage__input_tokens=212,
            gen_ai__usage__output_tokens=48,
            gen_ai__input__messages=messages,
        ),
    ]
    resource = {"attributes": [attribute("service.name", "ferry-shop")]}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "shop"}, "spans": spans}]}]
    }


@pytest.fixture(scope="module")
def browser(origin: tuple[Any, str]) -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


def _context(browser: Browser, up: Any, origin: str, size: tuple[int, int], scheme: str) -> BrowserContext:
    context = browser.new_context(
        base_url=origin,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    answer = context.request.post("/api/v1/session", data={"key": up.key}, headers={"origin": origin})
    assert answer.ok, answer.text()
    return context


TO_WEBP = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.9);
}"""
PICTURES = (
    ("first-screen", "/?window=300", WIDE, "light"),
    ("first-screen-dark", "/?window=300", WIDE, "dark"),
    ("first-screen-narrow", "/?window=300", NARROW, "dark"),
    ("chart", "/?chart=latency&by=model&window=300", WIDE, "light"),
    ("traces", "/traces", WIDE, "light"),
    ("trace", "/traces/5b8efff798038103d269b633813fc60c", WIDE, "dark"),
    ("conversations", "/conversations", WIDE, "light"),
    ("cost", "/cost", WIDE, "light"),
    ("objectives", "/objectives", WIDE, "light"),
    ("measures", "/measures", WIDE, "light"),
    ("alerts", "/alerts/rules", WIDE, "light"),
    ("alerts-narrow", "/alerts", NARROW, "light"),
    ("requests", "/requests", WIDE, "light"),
    ("traffic", "/traffic", WIDE, "dark"),
)


def _webp(context: BrowserContext, png: bytes) -> bytes:
    """Makes a picture small, by the browser's own encoder."""
    page = context.new_page()
    small = page.evaluate(TO_WEBP, base64.b64encode(png).decode())
    page.close()
    return base64.b64decode(small.partition(",")[2])


@pytest.mark.parametrize(("name", "path", "size", "scheme"), PICTURES, ids=[one[0] for one in PICTURES])
def test_each_page_stands_over_real_traffic(
    browser: Browser,
    origin: tuple[Any, str],
    tmp_path: Path,
    name: str,
    path: str,
    size: tuple[int, int],
    scheme: str,
) -> None:
    up, address = origin
    folder = Path(os.environ.get("PILOTHOUSE_SCREENSHOTS", tmp_path))
    watch = Watch(address)
    context = _context(browser, up, address, size, scheme)
    page = context.new_page()
    watch.attach(page)
    page.goto(path)
    expect(page.locator("main :is(h1, h2, table, figure)").first).to_be_attached()
    expect(page.locator("main [aria-busy=true]")).to_have_count(0)
    assert page.get_by_text("There is no such page").count() == 0
    expect(page.get_by_test_id("open-alerts")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = folder / f"console-{name}.webp"
    picture.write_bytes(_webp(context, page.screenshot()))
    context.close()
    assert watch.unexpected() == []
    assert watch.elsewhere == []
    assert 3_000 < picture.stat().st_size <= MOST_IMAGE_BYTES


def test_a_call_is_seen_soon_and_the_page_is_light(browser: Browser, origin: tuple[Any, str]) -> None:
    up, address = origin
    context = _context(browser, up, address, WIDE, "light")
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - a built-in cannot be a listener
    page.goto("/")
    expect(page.get_by_test_id("live")).to_have_text("live")
    expect(page.get_by_test_id("calls").locator("tbody tr").first).to_be_visible()
    sent = {one.url: int(one.headers.get("content-length", "0")) for one in answers if "/tail" not in one.url}
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    files = [one for one in answers if "/assets/" in one.url and one.url.endswith((".js", ".css"))]
    assert files
    for file in files:
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-encoding"] == "gzip"
    assert all(url.startswith(address) for url in sent)
    assert 20_000 < sum(sent.values()) <= MOST_WIRE_BYTES
    delays = [_seen_after_ms(page, up, number) for number in range(3)]
    said = ", ".join(f"row {row:.0f} ms, numbers {numbers:.0f} ms" for row, numbers in delays)
    print(f"first screen: {sum(sent.values()):,} bytes over the wire, first paint {paint_ms:.0f} ms; {said}")  # noqa: T201 - figures for whoever reads
    context.close()


def _seen_after_ms(page: Page, up: Any, number: int) -> tuple[float, float]:
    """Returns how long after its answer a call stands in the tail, and in the golden numbers."""
    tile = page.get_by_test_id("tile-requests")
    before = tile.locator(".tile-more").inner_text()
    _chat(up, 2000 + number, stream=False)
    started = time.monotonic()
    expect(page.locator("[data-testid=calls] tbody tr").first).to_contain_text(f"req-look-{2000 + number}")
    row_ms = (time.monotonic() - started) * 1000
    expect(tile.locator(".tile-more")).not_to_have_text(before)
    return row_ms, (time.monotonic() - started) * 1000
