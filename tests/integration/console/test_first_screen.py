"""The rest of the first screen: resources, the live tail's pause and filter, charts with all that belongs to
them, the palette, what a hidden page costs, and how heavy the page is."""

import gzip
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Frame, Page, Response, expect
from tests.integration.console.conftest import NARROW, WIDE, Watch
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser

MOST_WIRE_BYTES = 300_000
"""What the first screen may weigh over the wire, gzipped; no API answer is larger than its share of it."""

HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_resources_say_what_is_left_and_what_will_be_full(page: Page) -> None:
    resources = page.get_by_test_id("resources")
    expect(resources).to_contain_text("8.97 % free")
    expect(resources).to_contain_text("full in 9 h")
    expect(resources).to_contain_text("NVIDIA H200 · 41 °C · 212 W")
    expect(resources).to_contain_text("5 waiting")
    expect(resources.get_by_role("meter", name="Disk in use")).to_have_attribute("aria-valuenow", "91")


def test_the_live_tail_can_be_paused_and_narrowed(page: Page, api: FakeApi) -> None:
    rows = page.get_by_test_id("calls").locator("tbody tr")
    expect(rows).to_have_count(12)
    page.keyboard.press("p")
    missed = api.push()
    expect(page.get_by_test_id("waiting")).to_have_text("1 new")
    expect(page.locator(f"[data-call='{missed['call_id']}']")).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(rows.first).to_have_attribute("data-call", missed["call_id"])

    page.get_by_label("Only").select_option("server_error")
    api.wait_for_tails(2)
    api.push(status=200, outcome="completed")
    failed = api.push(status=502, outcome="failed")
    expect(rows.first).to_have_attribute("data-call", failed["call_id"])
    assert "status_class=server_error" in page.url
    page.get_by_label("Only").select_option("")
    api.wait_for_tails(1)


def test_a_large_chart_shows_its_query_its_csv_an_alert_and_what_happened(page: Page) -> None:
    page.get_by_role("button", name="Latency").click()
    chart = page.get_by_test_id("large-chart")
    page.get_by_label("Split").select_option("model")
    expect(chart.locator(".chart-legend li")).to_have_count(3)
    assert "by=model" in page.url

    chart.get_by_role("button", name="Show the query").click()
    expect(chart.get_by_test_id("query")).to_contain_text("FROM call_minutes")
    expect(chart.get_by_label("Parameters")).to_contain_text('"step": 15000')

    with page.expect_download() as download:
        chart.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "latency_p95_ms.csv"
    alert = chart.get_by_role("link", name="Make an alert").get_attribute("href")
    assert alert is not None
    assert re.match(r"/alerts/new\?(.*&)?measure=latency_p95_ms&by=model", alert)

    marks = chart.get_by_label("What happened meanwhile").locator("li")
    expect(marks).to_have_count(2)
    page.evaluate("document.activeElement.blur()")
    marks.first.locator(".ribbon-glyph").focus()
    expect(marks.first.locator(".ribbon-words")).to_contain_text("Deploy")
    expect(marks.first.locator(".ribbon-words")).to_contain_text("revision 12, from the file")


def test_a_charts_moments_can_be_walked_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Latency").click()
    chart = page.get_by_test_id("large-chart")
    plot = chart.get_by_role("img", name="arrow keys")
    expect(plot.locator("canvas")).to_be_visible()
    plot.focus()
    page.keyboard.press("End")
    tip = chart.locator(".tip")
    expect(tip).to_be_visible()
    last = tip.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(tip).not_to_have_text(last)
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    expect(chart).to_be_visible()


def test_anything_is_found_with_ctrl_k(page: Page, api: FakeApi) -> None:
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    palette = page.get_by_test_id("palette")

    def find(text: str) -> None:
        page.keyboard.press("Control+k")
        expect(page.get_by_role("combobox", name="Find anything")).to_be_focused()
        page.keyboard.type(text)

    find("traf")
    expect(palette.get_by_role("option").first).to_contain_text("Traffic")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/traffic$"))

    find("checkout")
    expect(palette.get_by_role("option").first).to_contain_text("checkout service")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("key_id=key_checkout"))

    find("assistant")
    page.keyboard.press("ArrowDown")
    expect(palette.get_by_role("option", selected=True)).to_contain_text("Talk to assistant")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("model=assistant"))

    find(api.calls[4]["request_id"])
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("call-drawer")).to_contain_text(api.calls[4]["call_id"])
    page.keyboard.press("Escape")

    find("nothing of this name at all")
    expect(page.get_by_test_id("palette")).to_contain_text("Nothing of that name")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("palette")).to_have_count(0)


def test_the_numbers_follow_a_call_without_waiting_for_the_clock(page: Page, api: FakeApi) -> None:
    expect(page.get_by_test_id("live")).to_have_text("live")
    api.calls_counted = 111
    api.push()
    expect(page.get_by_test_id("tile-requests")).to_contain_text("111 calls")


def test_a_hidden_page_asks_nothing(page: Page, api: FakeApi) -> None:
    page.clock.install()
    page.reload()
    expect(page.get_by_test_id("live")).to_have_text("live")
    before = api.screens
    page.clock.run_for(6000)
    assert api.screens > before, "the clock moves it on"
    page.evaluate(HIDE, arg=True)
    api.wait_for_tails(0)
    page.evaluate("fetch('/api/v1/session').then(() => null)")  # what was under way has come
    before = api.screens
    page.clock.run_for(60_000)
    page.evaluate("fetch('/api/v1/session').then(() => null)")
    assert api.screens == before
    with page.expect_response("**/api/v1/screen*"):
        page.evaluate(HIDE, arg=False)


def test_more_pages_open_from_the_bottom_of_a_narrow_screen(open_page: Callable[..., Page]) -> None:
    page = open_page(size=NARROW)
    page.get_by_role("button", name="More").click()
    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Keys", exact=True)).to_be_hidden()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_the_first_screen_is_light_over_the_wire(
    open_page: Callable[..., Page], watch: Watch, size: tuple[int, int], scheme: str
) -> None:
    page = open_page("/keys", size=size, scheme=scheme)
    expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - a built-in cannot be a listener

    def begin(frame: Frame) -> None:
        """Leaves out what the page before this one was still being answered: its bodies are gone."""
        if frame == page.main_frame:
            answers[:] = [each for each in answers if each.request.is_navigation_request()][-1:]

    page.on("framenavigated", begin)
    page.goto("/")
    expect(page.get_by_test_id("tile-latency").locator("canvas")).to_be_visible()
    expect(page.get_by_test_id("calls").locator("tbody tr")).to_have_count(12)
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if "/tail" not in answer.url}
    total = sum(sizes.values())
    print(f"first screen: {total:,} bytes gzipped in {len(sizes)} answers, first paint after {paint_ms} ms")  # noqa: T201 - figures for whoever reads
    assert 20_000 < total <= MOST_WIRE_BYTES
    assert all(url.startswith(watch.origin) for url in sizes)
