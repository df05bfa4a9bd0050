"""The list of calls: live, filtered, paused, older pages; and one call in detail."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.integration.console.conftest import Watch
from tests.integration.console.fake_api import FakeApi
from tests.integration.console.fake_data import XSS

pytestmark = pytest.mark.browser


@pytest.fixture
def requests_page(open_page: Callable[..., Page], api: FakeApi) -> Page:
    page = open_page("/requests")
    expect(page.get_by_test_id("live")).to_have_text("live")
    expect(rows(page)).to_have_count(50)
    return page


def rows(page: Page) -> Locator:
    return page.get_by_test_id("calls").locator("tbody tr")


def test_a_new_call_comes_to_the_top_by_itself(requests_page: Page, api: FakeApi) -> None:
    call = api.push(model="assistant")
    expect(rows(requests_page).first).to_have_attribute("data-call", call["call_id"])
    expect(rows(requests_page)).to_have_count(51)


def test_the_overview_is_live_too(page: Page, api: FakeApi) -> None:
    expect(page.get_by_test_id("live")).to_have_text("live")
    call = api.push()
    expect(rows(page).first).to_have_attribute("data-call", call["call_id"])
    expect(rows(page)).to_have_count(12)


def test_while_paused_nothing_moves_and_nothing_is_lost(requests_page: Page, api: FakeApi) -> None:
    top = rows(requests_page).first.get_attribute("data-call")
    requests_page.get_by_role("button", name="Pause").click()
    pushed = [api.push()["call_id"] for _ in range(3)]
    expect(requests_page.get_by_test_id("waiting")).to_have_text("3 new")
    assert rows(requests_page).first.get_attribute("data-call") == top
    requests_page.keyboard.press("p")
    expect(rows(requests_page).first).to_have_attribute("data-call", pushed[-1])
    expect(rows(requests_page)).to_have_count(53)


def test_calls_made_while_the_stream_was_broken_are_fetched(
    requests_page: Page, api: FakeApi, watch: Watch
) -> None:
    watch.allow("ERR_|Failed to load")
    missed = api.push()
    expect(rows(requests_page)).to_have_count(51)
    with requests_page.expect_response(re.compile(r"/api/v1/requests\?")):
        silent = api.push_silently()
        api.break_tails()
    expect(rows(requests_page)).to_have_count(52)
    expect(rows(requests_page).first).to_have_attribute("data-call", silent["call_id"])
    assert missed["call_id"] != silent["call_id"]


def test_filters_hold_for_pages_and_for_the_tail_and_live_in_the_address(
    requests_page: Page, api: FakeApi
) -> None:
    requests_page.get_by_label("Outcome").select_option("refused")
    many = len([call for call in api.calls if call["outcome"] == "refused"])
    expect(rows(requests_page)).to_have_count(many)
    api.push(outcome="completed", status=200)
    refused = api.push(outcome="refused", status=429)
    expect(rows(requests_page).first).to_have_attribute("data-call", refused["call_id"])
    expect(rows(requests_page)).to_have_count(many + 1)
    assert "outcome=refused" in requests_page.url
    requests_page.reload()
    expect(rows(requests_page)).to_have_count(many + 1)
    expect(requests_page.get_by_label("Outcome")).to_have_value("refused")


def test_text_finds_an_id_and_one_not_shown_can_be_looked_up(requests_page: Page, api: FakeApi) -> None:
    shown, old = api.calls[7], api.calls[-1]
    search = requests_page.get_by_label("Filter by id, key or error")
    search.fill(shown["request_id"])
    expect(rows(requests_page)).to_have_count(1)
    search.fill(old["request_id"])
    requests_page.get_by_role("button", name=re.compile("Look up")).click()
    expect(requests_page.get_by_test_id("call-drawer")).to_contain_text(old["call_id"])


def test_older_pages_follow_by_keyset_without_gap_or_double(requests_page: Page, api: FakeApi) -> None:
    for many in (100, 150, 200, 250, 260):
        requests_page.get_by_role("button", name="Load older").click()
        expect(rows(requests_page)).to_have_count(many)
    shown = rows(requests_page).evaluate_all("rows => rows.map(row => row.dataset.call)")
    assert shown == [call["call_id"] for call in api.calls]
    expect(requests_page.get_by_text("That is all there is.")).to_be_visible()


def test_one_call_shows_its_words_times_cost_and_ids(requests_page: Page, api: FakeApi) -> None:
    call = next(call for call in api.calls[:50] if call["cost_usd"] is not None and call["is_stream"])
    requests_page.locator(f"[data-call='{call['call_id']}']").click()
    drawer = requests_page.get_by_test_id("call-drawer")
    expect(drawer.get_by_test_id("waterfall")).to_contain_text("queue")
    expect(drawer.get_by_test_id("waterfall")).to_contain_text("first token")
    expect(drawer.get_by_test_id("waterfall")).to_contain_text("generation")
    expect(drawer.get_by_test_id("waterfall")).to_contain_text("overloaded")
    words = drawer.get_by_test_id("conversation")
    expect(words.locator(".turn")).to_have_count(5)
    expect(words).to_contain_text("tide_at")
    expect(words).to_contain_text('"trend": "rising"')
    expect(words).to_contain_text("184 kB")
    expect(words).to_contain_text("sha256:9f86d081")
    expect(words).to_contain_text("Berth 4 has 2.4 m of water")
    expect(drawer).to_contain_text(call["trace_id"])
    expect(drawer).to_contain_text("genai-prices")
    expect(drawer).to_contain_text("max_tokens")
    assert f"call={call['call_id']}" in requests_page.url
    drawer.get_by_text("Raw JSON").click()
    expect(drawer.locator(".raw pre")).to_contain_text('"call_id"')


def test_markup_in_a_message_stays_text(requests_page: Page) -> None:
    rows(requests_page).filter(has_text="chat").first.click()
    words = requests_page.get_by_test_id("conversation")
    expect(words).to_contain_text(XSS)
    expect(words.locator("img, script")).to_have_count(0)
    assert requests_page.title() == "Requests · Pilothouse"


def test_an_id_is_copied(requests_page: Page, api: FakeApi) -> None:
    requests_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    rows(requests_page).first.click()
    requests_page.get_by_role("button", name="Copy Request").click()
    expect(requests_page.get_by_role("button", name="Copied Request")).to_be_visible()
    assert requests_page.evaluate("navigator.clipboard.readText()") == api.calls[0]["request_id"]


def test_an_unknown_call_says_so(open_page: Callable[..., Page], watch: Watch) -> None:
    watch.allow("status of 404")
    page = open_page("/requests?call=nothing")
    drawer = page.get_by_test_id("call-drawer")
    expect(drawer).to_contain_text("Being recorded")
    expect(drawer.get_by_role("alert")).to_contain_text("There is no call nothing.")


@pytest.mark.parametrize(
    ("state", "words"),
    [("none", "were not recorded"), ("erased", "have been erased"), ("truncated", "Only the head")],
)
def test_words_that_are_not_there_are_explained(requests_page: Page, state: str, words: str) -> None:
    body = '{"model": "assistant", "messages": [{"role": "user", "cont' if state == "truncated" else None

    def change(route: Route) -> None:
        detail = route.fetch().json()
        detail["content"] = {"state": state, "request": body, "response": None}
        route.fulfill(json=detail)

    requests_page.route(re.compile(r"/api/v1/requests/[0-9a-f]{30}"), change)
    rows(requests_page).first.click()
    conversation = requests_page.get_by_test_id("conversation")
    expect(conversation).to_contain_text(words)
    if body is not None:
        expect(conversation).to_contain_text('"role": "user", "cont')
