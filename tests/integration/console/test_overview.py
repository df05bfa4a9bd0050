"""The first screen: golden numbers, models, newest calls, and what stands there before there are any."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.conftest import Watch
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser


def test_the_golden_numbers_stand_with_units_changes_and_lines(page: Page) -> None:
    def tile(name: str) -> str:
        return page.get_by_test_id(f"tile-{name}").inner_text()

    expect(page.get_by_test_id("tile-first-token")).to_contain_text("187ms p95")
    first, latency, cost = tile("first-token"), tile("latency"), tile("cost")
    assert re.search(r"p50 84\.2 ms\s+p99 413 ms", first)
    assert "22 %" in first
    assert re.search(r"4\.87\s*s p95", latency)
    assert re.search(r"p50 1\.24 s\s+p99 9\.12 s", latency)
    assert "$0.417" in cost
    assert "612 calls unpriced" in cost
    assert re.search(r"/s", tile("requests"))
    assert re.search(r"clients. own [\d.]+ %", tile("errors"))
    assert re.search(r"/s out\s+in [\d,]+ /s", tile("tokens"))
    expect(page.locator(".tile .chart canvas")).to_have_count(6)


def test_unpriced_calls_never_look_free(page: Page, api: FakeApi) -> None:
    page.route(
        "**/api/v1/screen*",
        lambda route: route.fulfill(
            json=(shown := route.fetch().json())
            | {
                "overview": shown["overview"]
                | {"cost_usd": {"value": 0, "previous": 0, "series": [0] * 60, "unpriced_calls": 9000}}
            }
        ),
    )
    page.reload()
    cost = page.get_by_test_id("tile-cost")
    expect(cost).to_contain_text("unpriced")
    assert "$0" not in cost.inner_text()


def test_hovering_one_chart_shows_that_moment_in_all(page: Page) -> None:
    chart = page.get_by_test_id("tile-latency").locator(".chart")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    for name in ("latency", "requests", "tokens"):
        expect(page.get_by_test_id(f"tile-{name}").locator(".tile-foot")).to_have_text(
            re.compile(r"^\d\d:\d\d(:\d\d)? ")
        )
    page.mouse.move(2, 2)
    expect(page.get_by_test_id("tile-latency").locator(".tile-foot")).to_contain_text("up to")


def test_a_number_opens_large_with_axes_and_stays_in_the_address(page: Page) -> None:
    page.get_by_role("button", name="Latency").click()
    expect(page.get_by_test_id("large-chart")).to_be_visible()
    assert "chart=latency" in page.url
    page.reload()
    expect(page.get_by_test_id("large-chart").locator("canvas")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("large-chart")).to_have_count(0)


def test_models_show_state_reason_and_price(page: Page) -> None:
    table = page.get_by_test_id("models")
    expect(table).to_contain_text("smollm2-135m-instruct")
    row = table.locator("tr", has_text="anthropic")
    expect(row).to_contain_text("tripped")
    expect(row).to_contain_text("6 of 10 attempts failed")
    expect(row).to_contain_text("unpriced")
    expect(table.locator("tr", has_text="gpt-4o-mini")).to_contain_text("$0.417")
    expect(table.locator("tr", has_text="llama_cpp").first).to_contain_text("5/8 +2")
    table.get_by_role("link", name="assistant", exact=True).click()
    expect(page).to_have_url(re.compile(r"/requests\?model=assistant"))


def test_the_strip_says_how_it_is_and_opens_the_processes(page: Page, api: FakeApi) -> None:
    strip = page.get_by_role("region", name="State")
    expect(strip).to_contain_text("Serving")
    expect(strip).to_contain_text("120 ms")
    expect(page.get_by_test_id("open-alerts")).to_have_text("no alerts")
    expect(page.get_by_test_id("budget")).to_contain_text("41.0 %")
    expect(page.get_by_test_id("live")).to_have_text("live")
    api.level, api.reasons = "degraded", ["smollm2-135m-instruct restarts: killed by a signal"]
    expect(strip).to_contain_text("Degraded")
    expect(strip).to_contain_text("killed by a signal")
    expect(page.get_by_test_id("open-alerts")).to_have_text("1 alert")
    strip.get_by_role("button").first.click()
    expect(strip).to_contain_text("control")
    expect(strip).to_contain_text("1 restart")
    expect(strip).to_contain_text("7 in flight")


def test_a_server_that_is_away_is_said_and_the_numbers_stay(page: Page, watch: Watch, api: FakeApi) -> None:
    watch.allow("status of 503|Failed to load")
    expect(page.get_by_test_id("tile-latency")).to_contain_text("4.87")
    body = {
        "error": {
            "message": "Control is away.",
            "type": "x",
            "code": "unavailable",
            "hint": "It restarts by itself.",
        }
    }
    page.route("**/api/v1/screen*", lambda route: route.fulfill(status=503, json=body))
    strip = page.get_by_role("region", name="State")
    expect(strip).to_contain_text("No news")
    expect(strip).to_contain_text("Control is away. It restarts by itself. The numbers stand still since")
    expect(page.get_by_test_id("tile-latency")).to_contain_text("4.87")
    page.unroute("**/api/v1/screen*")
    expect(strip).to_contain_text("Serving")


def test_the_window_is_chosen_in_the_strip_and_kept_in_the_address(page: Page) -> None:
    page.get_by_label("Window of time").select_option("3600")
    assert "window=3600" in page.url
    page.get_by_role("link", name="Requests", exact=True).click()
    page.get_by_role("link", name="Overview", exact=True).click()
    assert "window=3600" in page.url
    expect(page.get_by_label("Window of time")).to_have_value("3600")
    expect(page.get_by_test_id("tile-requests")).to_contain_text("43.2k calls")


def test_before_the_first_call_there_are_lines_to_paste_and_a_button(
    open_page: Callable[..., Page], api: FakeApi, origin: str
) -> None:
    api.calls.clear()
    page = open_page()
    first = page.get_by_test_id("first-call")
    for name, text in (
        ("openai SDK", f'base_url="{origin}/v1"'),
        ("curl", f"curl {origin}/v1/chat/completions"),
        ("OpenTelemetry", f"OTEL_EXPORTER_OTLP_ENDPOINT={origin}"),
    ):
        first.get_by_role("button", name=name, exact=True).click()
        expect(first.locator("pre")).to_contain_text(text)
        assert len(first.locator("pre").inner_text().strip().splitlines()) == 3
    expect(page.get_by_test_id("tile-latency")).to_contain_text("\N{EN DASH}")
    first.get_by_role("button", name="Send a test request").click()
    expect(page.get_by_test_id("calls").locator("tbody tr")).to_have_count(1)
    assert api.chats[0]["model"] == "smollm2-135m-instruct"
