"""Objectives, cost and measures in the console: what they show, in the address and on both widths."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.integration.console.conftest import NARROW

pytestmark = pytest.mark.browser

NOW_MS = time.time_ns() // 1_000_000
HOUR_MS = 3_600_000
OBJECTIVE: dict[str, Any] = {
    "name": "answered", "description": None, "measure": "availability", "threshold_ms": None, "goal": 0.999,
    "window": "30d", "only": {"model": "assistant"}, "state": "burning", "value": 0.99942, "good": 99942,
    "total": 100_000, "budget": 100, "budget_left": 0.42, "counted_at_ms": NOW_MS,
    "burn_rates": [
        {"window": "5m", "rate": 20.0, "good": 98, "total": 100},
        {"window": "1h", "rate": 15.2, "good": 985, "total": 1000},
    ],
    "conditions": [
        {"long": "1h", "short": "5m", "threshold": 14.4, "rate": 15.2, "severity": "critical",
         "is_burning": True},
        {"long": "3d", "short": "6h", "threshold": 1.0, "rate": 0.2, "severity": "warning",
         "is_burning": False},
    ],
}  # fmt: skip
QUICK = {**OBJECTIVE, "name": "quick", "measure": "latency", "threshold_ms": 800.0, "only": {}, "state": "ok"}


def detail(objective: dict[str, Any]) -> dict[str, Any]:
    return {
        "objective": objective, "start_ms": NOW_MS - 30 * HOUR_MS, "step_ms": HOUR_MS,
        "good": [10.0] * 30, "total": [10.0] * 30, "budget_left": [1 - number * 0.02 for number in range(30)],
    }  # fmt: skip


def cost_row(label: str, **more: Any) -> dict[str, Any]:
    return {
        "label": label, "name": None, "cost_usd": 4.5, "share": 0.75, "calls": 300, "unpriced_calls": 0,
        "unpriced_share": 0.0, "saved_usd": 0.5, "input_tokens": 12_000, "output_tokens": 3400,
        "cost_per_call_usd": 0.015, "series": [0.15] * 30, **more,
    }  # fmt: skip


COST = {
    "by": "model", "start_ms": NOW_MS - 168 * HOUR_MS, "end_ms": NOW_MS, "step_ms": 5 * HOUR_MS,
    "whole": cost_row("", cost_usd=6.0, calls=500, unpriced_calls=100, unpriced_share=0.2, share=1.0),
    "data": [
        cost_row("assistant"),
        cost_row("local", cost_usd=None, share=None, calls=100, unpriced_calls=100, unpriced_share=1.0,
                 cost_per_call_usd=None, series=[None] * 30),
    ],
    "sql": "SELECT 1", "parameters": {},
}  # fmt: skip
METRIC: dict[str, Any] = {
    "name": "per_token", "measure": "metric.per_token", "title": "Time per token", "description": None,
    "unit": "ms", "goal": "down", "kind": "number", "source": "expression",
    "definition": "duration_ms / output_tokens", "where": None, "sample": 1.0, "version": 2, "values": 40,
    "unknown": 3, "faults": {"division_by_zero": 5}, "last_fault": "division_by_zero",
    "last_value_at_ms": NOW_MS, "recent_mean": 12.5,
    "versions": [
        {"version": 1, "created_at_ms": NOW_MS - HOUR_MS, "is_current": False, "definition": {}},
        {"version": 2, "created_at_ms": NOW_MS, "is_current": True, "definition": {}},
    ],
}  # fmt: skip
SERIES = {
    "measure": "metric.per_token@2", "unit": "ms", "start_ms": NOW_MS - 24 * HOUR_MS, "step_ms": HOUR_MS,
    "lines": [{"label": "", "values": [12.0] * 24}],
    "query": {"name": "s", "sql": "SELECT 2", "parameters": {}},
}  # fmt: skip
FAULTS = {
    "name": None, "calls": 100, "answered": 90, "our_errors": 2, "provider_errors": 3, "client_errors": 4,
    "guardrail_blocks": 1, "cut": 1, "availability": 0.947,
}  # fmt: skip
SPREAD = {
    "count": 10, "mean": -0.3, "p05": -1.0, "p50": -0.2, "p95": -0.1,
    "bars": [{"start": 0.0, "end": -0.1, "count": 4}, {"start": -0.1, "end": -0.2, "count": 6}],
}  # fmt: skip
SAID = {
    "feedback_id": "f1", "at_ms": NOW_MS, "kind": "thumbs", "name": "feedback", "value": 0.0,
    "request_id": "r1", "call_id": "c1", "model": "assistant", "key_id": "key_1", "key_name": "app",
    "has_words": True,
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "objectives": {"data": [OBJECTIVE, QUICK]},
    "objectives/answered": detail(OBJECTIVE),
    "objectives/quick": detail(QUICK),
    "cost": COST,
    "metrics": {"data": [METRIC], "skipped_calls": 0},
    "metrics/per_token": {
        "metric": METRIC,
        "series": [{"version": 2, "series": SERIES}, {"version": 1, "series": SERIES}],
    },
    "availability": {"by": "model", "whole": {**FAULTS, "label": ""}, "data": [{**FAULTS, "label": "m"}]},
    "confidence": {"calls": 40, "mean": SPREAD, "minimum": SPREAD, "entropy": {**SPREAD, "count": 0}},
    "feedback": {"data": [SAID]},
    "feedback/f1": {**SAID, "state": "full", "text": "Too long.", "correction": "Paris."},
}
NOTHING: dict[str, Any] = {"data": [], "skipped_calls": 0}


@pytest.fixture
def show(open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a page with answers of its own: `show("/cost", answers=...)`."""

    def opened(path: str, *, answers: dict[str, Any] = ANSWERS, **more: Any) -> Page:
        def answer(route: Route) -> None:
            asked = route.request.url.partition("/api/v1/")[2].partition("?")[0]
            route.fulfill(json=answers[asked])

        page = open_page("/keys", **more)
        for part in ("objectives", "cost", "metrics", "availability", "confidence", "feedback"):
            page.route(re.compile(rf"/api/v1/{part}(/|\?|$)"), answer)
        page.goto(path)
        return page

    return opened


def is_within(page: Page) -> bool:
    """Says whether nothing stands out of the page sideways."""
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return fits


def test_objectives_show_their_budget_and_how_fast_it_goes(show: Callable[..., Page]) -> None:
    page = show("/objectives")
    rows = page.get_by_test_id("objectives").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("burning its budget")
    expect(rows.nth(0)).to_contain_text("99.942 %")
    expect(rows.nth(0)).to_contain_text("42.0 % left")
    expect(rows.nth(0)).to_contain_text("99.9 % of calls (model assistant) answered, over 30d")
    expect(rows.nth(1)).to_contain_text("answered within 800 ms")
    expect(page.get_by_test_id("chart-budget_left")).to_be_visible()
    expect(page.get_by_test_id("burns").locator("tbody tr").nth(0)).to_contain_text("critical")
    alert = page.get_by_role("link", name="Make an alert of Error budget of answered")
    expect(alert).to_have_attribute("href", "/alerts/new?kind=burn_rate&objective=answered")
    page.get_by_role("link", name="quick").click()
    expect(page).to_have_url(re.compile("/objectives/quick$"))
    expect(page.get_by_role("heading", name="Error budget of quick")).to_be_visible()


def test_without_objectives_and_metrics_the_page_says_how_to_have_some(show: Callable[..., Page]) -> None:
    page = show("/objectives", answers={"objectives": NOTHING})
    expect(page.get_by_text("Nothing is promised yet")).to_be_visible()
    page = show("/measures", answers={"metrics": NOTHING})
    expect(page.get_by_text("Numbers of your own")).to_be_visible()
    page = show("/measures/feedback", answers={"feedback": NOTHING})
    expect(page.get_by_text("Nobody has said anything yet")).to_be_visible()


def test_cost_says_what_has_no_price_and_keeps_its_question_in_the_address(show: Callable[..., Page]) -> None:
    answers = {**ANSWERS, "cost": COST}
    page = show("/cost", answers=answers)
    rows = page.get_by_test_id("cost").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("75.0 %")
    expect(rows.nth(1)).to_contain_text("no price")
    expect(page.get_by_test_id("cost-whole")).to_contain_text("100 calls")
    csv = page.get_by_role("link", name="CSV", exact=True)
    expect(csv).to_have_attribute("href", re.compile("by=model.*format=csv"))
    answers["cost"] = {**COST, "by": "team"}
    page.get_by_role("combobox", name="Told apart by").select_option("team")
    expect(page).to_have_url(re.compile(r"/cost\?by=team$"))
    expect(page.get_by_role("columnheader", name="Team")).to_be_visible()


def test_a_custom_metric_shows_its_versions_and_its_faults(show: Callable[..., Page]) -> None:
    page = show("/measures")
    row = page.get_by_test_id("metrics").locator("tbody tr").nth(0)
    expect(row).to_contain_text("duration_ms / output_tokens")
    expect(row).to_contain_text("5 division by zero")
    chart = page.get_by_test_id("chart-metric.per_token")
    expect(chart.locator(".legend li")).to_have_text(["version 2", "version 1"])
    expect(chart.get_by_role("link", name="Make an alert of Time per token")).to_have_attribute(
        "href", "/alerts/new?measure=metric.per_token"
    )


def test_the_other_measures_are_shown(show: Callable[..., Page]) -> None:
    page = show("/measures/availability")
    expect(page.get_by_test_id("availability").locator("tbody tr").nth(0)).to_contain_text("94.7 %")
    page.get_by_role("link", name="Confidence").click()
    expect(page.get_by_test_id("bars")).to_have_count(2)
    expect(page.get_by_test_id("bars").first.locator("li")).to_have_count(2)
    page.get_by_role("link", name="Feedback").click()
    expect(page.get_by_test_id("feedback")).to_contain_text("thumbs down")
    page.get_by_role("link", name="words").click()
    expect(page.get_by_test_id("feedback-words")).to_contain_text("Too long.")


@pytest.mark.parametrize(
    "path",
    [
        "/objectives",
        "/cost",
        "/measures",
        "/measures/availability",
        "/measures/confidence",
        "/measures/feedback/f1",
    ],
)
def test_nothing_stands_out_on_a_narrow_screen(show: Callable[..., Page], path: str) -> None:
    page = show(path, size=NARROW, scheme="dark")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("table, .bars").first).to_be_visible()
    assert is_within(page)
