"""Traffic: breakers, the queue, limits and caches as they are now, and what the record says of them."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser


@pytest.fixture
def traffic_page(open_page: Callable[..., Page]) -> Page:
    page = open_page("/traffic")
    expect(page.get_by_test_id("deployments").locator("tbody tr")).to_have_count(4)
    return page


def test_each_breaker_is_said_with_its_cause_and_where(traffic_page: Page) -> None:
    table = traffic_page.get_by_test_id("deployments")
    broken = table.locator("tr", has_text="anthropic-1")
    expect(broken).to_contain_text("open")
    expect(broken).to_contain_text("it failed too often in 1 of 2 workers")
    expect(broken).to_contain_text("29.6 %")
    expect(broken).to_contain_text("640 ms")
    expect(table.locator("tr", has_text="all-minilm")).to_contain_text("half-open")
    well = table.locator("tr", has_text="smollm2")
    expect(well).to_contain_text("closed")
    expect(well).to_contain_text("84.2 ms")
    table.get_by_role("button", name="smollm2-135m-instruct").click()
    expect(traffic_page).to_have_url(re.compile(r"/requests\?model=smollm2"))


def test_who_waits_and_what_was_refused(traffic_page: Page, api: FakeApi) -> None:
    now = traffic_page.get_by_test_id("traffic-now")
    expect(now).to_contain_text("3 normal, 12 low")
    expect(now).to_contain_text("41")
    api.traffic["queued"] = {"high": 0, "normal": 0, "low": 0}
    expect(now).to_contain_text("none")


def test_limits_are_shown_fullest_first_and_a_lost_store_is_said(traffic_page: Page, api: FakeApi) -> None:
    rows = traffic_page.get_by_test_id("limits").locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("shop")
    expect(rows.nth(1)).to_contain_text("$187.20")
    expect(rows.nth(2)).to_contain_text("checkout service")
    expect(rows.nth(2)).to_contain_text("412")
    expect(traffic_page.get_by_text("shared by all hosts")).to_be_visible()
    api.traffic |= {"counters": "closed", "counters_reason": "connection refused"}
    expect(traffic_page.get_by_text("shared store away: limited calls refused")).to_be_visible()


def test_caches_say_how_much_they_answer(traffic_page: Page) -> None:
    expect(traffic_page.get_by_test_id("caches").locator("tbody tr")).to_contain_text("25.0 %")


def test_an_experiments_arms_stand_side_by_side(traffic_page: Page) -> None:
    rows = traffic_page.get_by_test_id("experiments").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("prompt-b of assistant")
    expect(rows.nth(0)).to_contain_text("$0.0010")
    expect(rows.nth(1)).to_contain_text("unpriced")


def test_nothing_configured_is_said_in_words(open_page: Callable[..., Page], api: FakeApi) -> None:
    api.traffic |= {"deployments": [], "limits": [], "caches": [], "counters": "off"}
    api.experiments.clear()
    page = open_page("/traffic")
    expect(page.get_by_text("No key, team or model has a limit.")).to_be_visible()
    expect(page.get_by_text("No model keeps its answers.")).to_be_visible()
    expect(page.get_by_test_id("experiments")).to_have_count(0)


def test_a_call_says_how_it_was_answered(open_page: Callable[..., Page], api: FakeApi) -> None:
    api.calls[0] |= {
        "cache": "semantic", "dialect": "anthropic", "experiment": "prompt-b", "arm": "new",
        "priority": "high", "saved_usd": 0.25,
    }  # fmt: skip
    page = open_page("/requests")
    row = page.get_by_test_id("calls").locator("tbody tr").first
    mark = row.locator(".mark")
    expect(mark).to_have_text("cached +2")
    expect(mark).to_have_attribute("title", re.compile("semantic.*arm new.*Anthropic Messages", re.DOTALL))
    row.click()
    drawer = page.get_by_role("dialog").or_(page.locator(".drawer"))
    expect(drawer.first).to_contain_text("Anthropic Messages")
    expect(drawer.first).to_contain_text("prompt-b")
    expect(drawer.first).to_contain_text("$0.25")


def test_a_keys_limits_are_shown_and_changed(open_page: Callable[..., Page], api: FakeApi) -> None:
    page = open_page("/keys")
    row = page.get_by_test_id("keys").locator("tr", has_text="checkout service")
    expect(row).to_contain_text("600/min, $200.00 a month")
    page.get_by_role("button", name="Change the limits of checkout service").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Calls a minute")).to_have_value("600")
    dialog.get_by_label("Calls a minute").fill("")
    dialog.get_by_label("US dollars a day").fill("7.5")
    dialog.get_by_label("Priority").select_option("high")
    dialog.get_by_role("button", name="Change the limits").click()
    expect(row).to_contain_text("$7.50 a day, $200.00 a month")
    expect(row).to_contain_text("high priority")
    changed = next(one for one in api.keys if one["id"] == "key_checkout")
    assert changed["limits"]["requests_per_minute"] is None
