"""Alerts in the console: read, acknowledged, silenced, and a rule made from a chart and tried."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect
from tests.integration.console.conftest import NARROW

pytestmark = pytest.mark.browser

NOW_MS = time.time_ns() // 1_000_000
MINUTE_MS = 60_000
ALERT: dict[str, Any] = {
    "id": "alt_1", "rule": "availability", "state": "open", "severity": "critical",
    "labels": {"rule": "availability", "severity": "critical", "model": "assistant"},
    "summary": "Availability (assistant): 71 %, below 95 %", "value": 0.71, "threshold": 0.95,
    "link": "http://elsewhere:8080/traces?filter=status+%3E%3D+500&from_ms=1&to_ms=2",
    "runbook": "Look at the deployments.", "receivers": ["ops"], "pending_at_ms": NOW_MS - 20 * MINUTE_MS,
    "opened_at_ms": NOW_MS - 18 * MINUTE_MS, "last_seen_at_ms": NOW_MS, "acknowledged_at_ms": None,
    "acknowledged_by": None, "resolved_at_ms": None, "told_at_ms": NOW_MS, "silenced_until_ms": None,
}  # fmt: skip
QUIET = {
    **ALERT,
    "id": "alt_2",
    "severity": "warning",
    "summary": "Latency",
    "silenced_until_ms": NOW_MS + MINUTE_MS,
}
DETAIL = {
    "alert": ALERT,
    "history": [
        {"at_ms": NOW_MS - 20 * MINUTE_MS, "what": "pending", "by": None, "note": None},
        {"at_ms": NOW_MS - 18 * MINUTE_MS, "what": "open", "by": None, "note": "71 %"},
    ],
    "deliveries": [
        {
            "id": "dlv_1", "receiver": "ops", "state": "failed", "title": "[ALERT] Availability",
            "attempts": 7,
            "created_at_ms": NOW_MS, "next_at_ms": None, "delivered_at_ms": None,
            "last_error": "it answered HTTP 500",
        }
    ],
    "around": {
        "measure": "availability", "unit": "share", "start_ms": NOW_MS - 60 * MINUTE_MS, "step_ms": MINUTE_MS,
        "values": [1.0] * 40 + [0.71] * 20,
    },
}  # fmt: skip
RULES = [
    {
        "name": "availability", "origin": "default", "receivers": ["ops"], "window_s": 600.0,
        "settings": {"kind": "threshold", "measure": "availability", "below": 0.95, "by": "model"},
        "created_at_ms": None, "created_by": None, "judged_at_ms": NOW_MS, "error": None,
    },
    {
        "name": "own", "origin": "stored", "receivers": [], "window_s": 300.0,
        "settings": {"kind": "change", "measure": "cost_usd", "rises_by": 0.5},
        "created_at_ms": NOW_MS, "created_by": "key_1", "judged_at_ms": NOW_MS, "error": "it took too long",
    },
]  # fmt: skip
PREVIEW = {
    "start_ms": NOW_MS - 600 * MINUTE_MS, "step_ms": 5 * MINUTE_MS,
    "lines": [{"label": "assistant", "values": [0.0] * 100 + [0.2] * 20, "thresholds": [0.05] * 120}],
    "firings": [
        {
            "label": "assistant", "opened_at_ms": NOW_MS - 90 * MINUTE_MS, "resolved_at_ms": NOW_MS,
            "value": 0.2, "threshold": 0.05,
        }
    ],
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "GET /api/v1/alerts": {"data": [ALERT, QUIET], "next_before": None},
    "GET /api/v1/alerts/alt_1": DETAIL,
    "POST /api/v1/alerts/alt_1/acknowledge": {**ALERT, "state": "acknowledged"},
    "GET /api/v1/alert-rules": {"data": RULES},
    "POST /api/v1/alert-rules": RULES[1],
    "PUT /api/v1/alert-rules/own": RULES[1],
    "DELETE /api/v1/alert-rules/own": None,
    "POST /api/v1/alert-rules/preview": PREVIEW,
    "GET /api/v1/receivers": {"data": [{"name": "ops", "kind": "slack"}]},
    "GET /api/v1/silences": {"data": []},
    "POST /api/v1/silences": {},
}


class Alerts:
    """The management API of alerts, as a page meets it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers = dict(ANSWERS)

    def attach(self, page: Page) -> None:
        """Answers what the page asks of alerts."""
        for path in ("alerts", "alert-rules", "silences", "receivers"):
            page.route(f"**/api/v1/{path}**", self._answer)
            page.route(f"**/api/v1/{path}/**", self._answer)

    def sent(self, what: str) -> list[Any]:
        """Returns the bodies that were sent so."""
        return [body for asked, body in self.asked if asked == what]

    def _answer(self, route: Route) -> None:
        request: Request = route.request
        path = request.url.split("://", 1)[1].partition("/")[2].partition("?")[0]
        what = f"{request.method} /{path}"
        self.asked.append((what, json.loads(request.post_data) if request.post_data else None))
        answer = self.answers[what]
        if answer is None:
            route.fulfill(status=204)
        else:
            route.fulfill(json=answer, status=answer.get("status", 200))


@pytest.fixture
def alerts() -> Alerts:
    return Alerts()


@pytest.fixture
def show(open_page: Callable[..., Page], alerts: Alerts) -> Callable[..., Page]:
    """Opens a page of alerts: `show("/alerts")`."""

    def opened(path: str, **more: Any) -> Page:
        page = open_page("/keys", **more)
        alerts.attach(page)
        page.goto(path)
        return page

    return opened


def test_an_open_alert_is_acknowledged_and_silenced(show: Callable[..., Page], alerts: Alerts) -> None:
    page = show("/alerts")
    rows = page.get_by_test_id("alerts").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("silenced")
    page.get_by_role("button", name="Acknowledge Availability").click()
    page.get_by_label("Note").fill("mine")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert alerts.sent("POST /api/v1/alerts/alt_1/acknowledge") == [{"note": "mine"}]
    page.get_by_role("button", name="Silence Availability").click()
    page.get_by_label("Reason").fill("upgrade")
    page.get_by_role("textbox", name="rule").fill("")
    page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    body = {"matchers": {"model": "assistant"}, "reason": "upgrade", "duration_s": 3600}
    assert alerts.sent("POST /api/v1/silences") == [body]


def test_an_alert_shows_its_measure_its_history_and_who_was_told(show: Callable[..., Page]) -> None:
    page = show("/alerts")
    page.get_by_role("link", name="Availability (assistant)").click()
    expect(page).to_have_url(re.compile("/alerts/alt_1$"))
    expect(page.get_by_test_id("chart-availability")).to_be_visible()
    expect(page.get_by_test_id("history").locator("li")).to_have_count(2)
    expect(page.get_by_test_id("deliveries")).to_contain_text("it answered HTTP 500")
    expect(page.get_by_text("Look at the deployments.")).to_be_visible()
    link = page.get_by_role("link", name="The calls behind it")
    expect(link).to_have_attribute("href", "/traces?filter=status+%3E%3D+500&from_ms=1&to_ms=2")


def test_a_rule_is_made_from_a_chart_after_it_was_tried(show: Callable[..., Page], alerts: Alerts) -> None:
    page = show("/alerts/new?measure=error_rate&by=model&team=blue")
    form = page.get_by_test_id("rule-form")
    form.get_by_label("Name").fill("team-errors")
    expect(form.get_by_role("combobox", name="Measure")).to_have_value("error_rate")
    form.get_by_label("Value (%)").fill("5")
    form.get_by_label("Tell").or_(form.get_by_role("checkbox", name="ops")).first.check()
    form.get_by_role("button", name="Try it on the last week").click()
    expect(page.get_by_role("heading", name="It would have alerted once last week")).to_be_visible()
    expect(page.get_by_test_id("firings").locator("li")).to_have_count(1)
    form.get_by_role("button", name="Make the rule").click()
    expect(page.get_by_test_id("rules")).to_be_visible()
    settings = {
        "kind": "threshold", "measure": "error_rate", "above": 0.05, "window_s": 300, "for_s": 60,
        "min_calls": 0, "by": "model", "only": {"team": "blue"}, "severity": "warning", "receivers": ["ops"],
    }  # fmt: skip
    assert alerts.sent("POST /api/v1/alert-rules/preview") == [{"settings": settings}]
    assert alerts.sent("POST /api/v1/alert-rules") == [{"name": "team-errors", "settings": settings}]


def test_only_rules_made_here_are_changed_and_deleted(show: Callable[..., Page], alerts: Alerts) -> None:
    page = show("/alerts/rules")
    rules = page.get_by_test_id("rules")
    expect(rules.locator("tbody tr")).to_have_count(2)
    expect(rules.get_by_role("button", name="Delete")).to_have_count(1)
    expect(rules).to_contain_text("below 0.95, over 10 min")
    expect(rules).to_contain_text("cannot be judged")
    rules.get_by_role("link", name="Change own").click()
    page.get_by_label("Rises by (%)").fill("75")
    page.get_by_role("button", name="Change the rule").click()
    expect(rules).to_be_visible()
    assert alerts.sent("PUT /api/v1/alert-rules/own")[0]["settings"]["rises_by"] == 0.75
    rules.get_by_role("button", name="Delete own").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert alerts.sent("DELETE /api/v1/alert-rules/own") == [None]


def test_a_receiver_that_cannot_be_told_says_why(
    show: Callable[..., Page], alerts: Alerts, watch: Any
) -> None:
    watch.allow("400")
    error = {"message": "ops was not told: it answered HTTP 500.", "code": "delivery_failed"}
    alerts.answers["POST /api/v1/receivers/ops/test"] = {"status": 400, "error": error}
    page = show("/alerts/receivers")
    page.get_by_role("button", name="Send a test to ops").click()
    expect(page.get_by_role("alert")).to_contain_text("it answered HTTP 500")
    alerts.answers["POST /api/v1/receivers/ops/test"] = {"name": "ops", "told_at_ms": NOW_MS}
    page.get_by_role("button", name="Send a test to ops").click()
    expect(page.get_by_text("It took the test.")).to_be_visible()


def test_a_viewer_only_reads(show: Callable[..., Page]) -> None:
    page = show("/alerts")
    session = {"id": "key_v", "name": "v", "role": "viewer", "kind": "session"}
    page.route("**/api/v1/session", lambda route: route.fulfill(json=session))
    page.reload()
    expect(page.get_by_test_id("alerts").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.get_by_role("button", name="Silence")).to_have_count(0)


@pytest.mark.parametrize(
    "path", ["/alerts", "/alerts/alt_1", "/alerts/rules", "/alerts/new", "/alerts/receivers"]
)
def test_it_fits_a_narrow_screen(show: Callable[..., Page], path: str) -> None:
    page = show(path, size=NARROW, scheme="dark")
    expect(page.locator("main h1")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
