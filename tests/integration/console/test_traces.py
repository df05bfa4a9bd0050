"""Traces and conversations: the filter and its pointer, bars, the waterfall, two side by side."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.integration.console.conftest import NARROW, Watch
from tests.integration.console.fake_data import XSS

pytestmark = pytest.mark.browser

START_MS = 1_790_000_000_000
WRONG = {
    "error": {
        "message": "There is no field 'modle'.", "type": "invalid_request_error", "param": "filter",
        "code": "invalid_filter", "hint": "did you mean model?", "position": 1, "length": 5,
    }
}  # fmt: skip


def trace_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "trace_id": f"{number:032x}", "at_ms": START_MS - number * 1000,
        "sorted_at_ms": START_MS - number * 1000,
        "duration_ms": 100.0 + number, "name": f"answer {number}", "kind": "agent", "services": ["shop"],
        "models": ["assistant"], "spans": 3, "calls": 1, "errors": number % 3 == 0, "status": None,
        "input_tokens": 12, "output_tokens": 7, "cost_usd": 0.01, "first_token_ms": None, "key_id": "key_1",
        "key_name": "web", "conversation_id": None, "call_id": None, "feedback": {"up": 1, "down": 0},
    } | changes  # fmt: skip


def step(step_id: str, parent_id: str | None, **changes: Any) -> dict[str, Any]:
    words = {"state": "none", "request": None, "response": None, "attributes": None}
    nothing = dict.fromkeys(
        ["operation", "status", "error", "service", "scope", "convention", "provider", "deployment", "model",
         "model_answered", "agent", "tool", "key_id", "team", "conversation_id", "request_id", "input_tokens",
         "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "first_token_ms"]
    )  # fmt: skip
    return nothing | {
        "step_id": step_id, "source": "span", "span_id": step_id, "parent_id": parent_id, "at_ms": START_MS,
        "duration_ms": 50.0, "name": step_id, "kind": "chain", "is_error": False, "outcome": "ok",
        "finish_reasons": [], "attributes": {}, "is_orphan": False, "content": words,
    } | changes  # fmt: skip


def content(request: Any, response: Any) -> dict[str, Any]:
    return {"state": "full", "request": request, "response": response, "attributes": {"note": XSS}}


def trace(trace_id: str) -> dict[str, Any]:
    chat = {"messages": [{"role": "user", "content": XSS}]}
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Nine to five."}, "finish_reason": "stop"}]
    }
    found = {"documents": [{"id": "d1", "content": "We open at nine.", "score": 0.9}]}
    steps = [
        step("agent", None, name="answer customer", kind="agent", duration_ms=100.0),
        step("search", "agent", kind="retrieval", content=content({"query": "hours"}, found)),
        step("tool", "agent", name="lookup", kind="tool", content=content({"order": 5}, {"state": "sent"})),
        step(
            "call", "agent", source="call", name="chat", kind="llm", status=200, content=content(chat, answer)
        ),
        step("lost", "nobody", is_orphan=True, is_error=True, error="ValueError"),
    ]
    said = {
        "score_id": "s1", "at_ms": START_MS, "source": "feedback", "name": "feedback", "kind": "thumbs",
        "value": 0, "label": None, "step_id": "call", "text": "Too short", "correction": "At nine o'clock.",
    }  # fmt: skip
    return {
        "trace_id": trace_id, "at_ms": START_MS, "duration_ms": 100.0, "key_names": {}, "spans": steps,
        "calls": ["call"], "scores": [said], "logs": [], "orphans": 1, "is_cut": False,
    }  # fmt: skip


class Traces:
    """Answers what the page asks about traces, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.rows = [trace_row(number) for number in range(1, 8)]

    def answer(self, route: Route) -> None:
        url = urlparse(route.request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/v1/traces":
            self.asked.append(query)
            if "modle" in query.get("filter", ""):
                route.fulfill(status=400, json=WRONG)
                return
            is_words = query.get("filter") == "refund"
            page = {"data": [] if is_words else self.rows, "next_before": "1-" if is_words else None}
            shown = {"name": "traces.matches", "sql": "SELECT trace FROM calls", "parameters": {}}
            route.fulfill(json=page | {"searched_until_ms": START_MS if is_words else None, "shown": shown})
        elif url.path == "/api/v1/traces/histogram":
            if "modle" in query.get("filter", ""):
                route.fulfill(status=400, json=WRONG)
                return
            bars = {"start_ms": START_MS, "step_ms": 1000, "ok": [1, 2, 3, 4], "errors": [0, 1, 0, 2]}
            route.fulfill(json=bars | {"searched_until_ms": None, "shown": None})
        elif url.path == "/api/v1/filter/complete":
            text = query.get("text", "")
            proposals = [{"text": "model", "kind": "field", "detail": "The model."}] if text == "mod" else []
            route.fulfill(json={"start": 0, "end": len(text), "data": proposals})
        elif url.path == "/api/v1/conversations":
            talk = {
                "conversation_id": "talk-1", "first_ms": START_MS, "last_ms": START_MS, "turns": 2,
                "errors": 0,
                "model": "assistant", "key_id": "key_1", "key_name": "web", "tokens": 20, "cost_usd": 0.1,
            }  # fmt: skip
            route.fulfill(json={"data": [talk], "next_before": None})
        elif url.path == "/api/v1/conversations/talk-1":
            route.fulfill(json=conversation())
        else:
            route.fulfill(json=trace(url.path.rsplit("/", 1)[-1]))


def conversation() -> dict[str, Any]:
    def turn(number: int, *messages: str) -> dict[str, Any]:
        roles = ["user", "assistant"]
        asked = [{"role": roles[at % 2], "content": text} for at, text in enumerate(messages)]
        answer = {"choices": [{"message": {"role": "assistant", "content": f"answer {number}"}}]}
        return {
            "call_id": f"c{number}", "span_id": None, "trace_id": f"{number:032x}",
            "at_ms": START_MS + number,
            "duration_ms": 10.0, "model": "assistant", "status": 200, "is_error": False, "input_tokens": 5,
            "output_tokens": 5, "cost_usd": 0.05, "content": content({"messages": asked}, answer),
        }  # fmt: skip

    turns = [turn(1, "hello"), turn(2, "hello", "answer 1", "and then?")]
    return {"conversation_id": "talk-1", "turns": turns, "is_cut": False}


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def show(open_page: Callable[..., Page], traces: Traces) -> Callable[..., Page]:
    """Opens a page whose questions about traces are answered by `traces`."""

    def show_one(path: str, **more: Any) -> Page:
        page = open_page("/keys", **more)
        pattern = re.compile(r"/api/v1/(traces|conversations|filter)")
        page.route(pattern, traces.answer)
        page.goto(path)
        return page

    return show_one


def rows(page: Page) -> Locator:
    return page.get_by_test_id("traces").locator("tbody tr")


def test_a_filter_is_proposed_asked_and_kept_in_the_address(
    show: Callable[..., Page], traces: Traces
) -> None:
    page = show("/traces")
    expect(rows(page)).to_have_count(7)
    page.keyboard.press("/")
    page.keyboard.type("mod")
    expect(page.get_by_role("option", name="model")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("filter")).to_have_value("model ")
    page.keyboard.type("= x")
    assert all("filter" not in query for query in traces.asked)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"filter=model\+%3D\+x"))
    page.reload()
    expect(page.get_by_test_id("filter")).to_have_value("model = x")
    expect(rows(page)).to_have_count(7)
    assert traces.asked[-1]["filter"] == "model = x"


def test_a_mistake_is_pointed_at(show: Callable[..., Page], watch: Watch) -> None:
    watch.allow("400")
    page = show("/#/traces?filter=modle%20%3D%20x")
    expect(page).to_have_url(re.compile(r"/traces\?filter="))
    wrong = page.get_by_test_id("filter-wrong")
    expect(wrong).to_contain_text("There is no field 'modle'. Column 1.")
    expect(wrong).to_contain_text("did you mean model?")
    expect(wrong.locator("pre")).to_have_text("modle = x\n^^^^^")
    expect(page.get_by_test_id("filter")).to_have_attribute("aria-invalid", "true")


def test_a_search_says_how_far_it_came_and_goes_on(show: Callable[..., Page], traces: Traces) -> None:
    page = show("/traces?filter=refund")
    expect(page.get_by_text("Searched so far until")).to_be_visible()
    with page.expect_response(re.compile(r"/api/v1/traces\?.*before=1-")):
        page.get_by_role("button", name="Search on").click()
    assert traces.asked[-1]["filter"] == "refund"


def test_drawing_over_the_bars_narrows_the_time(show: Callable[..., Page], traces: Traces) -> None:
    page = show("/traces")
    box = page.get_by_test_id("histogram").locator("svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    page.mouse.up()
    expect(page).to_have_url(re.compile(rf"from_ms={START_MS + 1000}&to_ms={START_MS + 3000}"))
    expect(page.get_by_test_id("period")).to_be_visible()
    page.get_by_test_id("period").click()
    expect(page).not_to_have_url(re.compile("from_ms"))


def test_one_trace_shows_its_tree_words_documents_and_feedback(show: Callable[..., Page]) -> None:
    page = show("/traces?filter=kind%20%3D%20agent")
    rows(page).nth(2).click()
    expect(page).to_have_url(re.compile(r"/traces/0{31}3\?filter="))
    steps = page.get_by_test_id("steps").locator(".step-row")
    expect(steps).to_have_count(5)
    expect(page.get_by_test_id("orphans")).to_contain_text("not on record")
    steps.nth(1).click()
    expect(page.get_by_test_id("step")).to_contain_text("We open at nine.")
    page.keyboard.press("j")
    expect(page.get_by_test_id("step")).to_contain_text('"order": 5')
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("step=call"))
    expect(page.get_by_test_id("step-words")).to_contain_text(XSS)
    expect(page.get_by_test_id("scores")).to_contain_text("Too short")
    expect(page.get_by_test_id("scores")).to_contain_text("At nine o'clock.")
    page.reload()
    expect(page.get_by_test_id("step-words")).to_contain_text("Nine to five.")
    page.get_by_role("link", name="Back to the traces").click()
    expect(page.get_by_test_id("filter")).to_have_value("kind = agent")


def test_the_keyboard_walks_the_list_and_picks_two_to_compare(show: Callable[..., Page]) -> None:
    page = show("/traces")
    expect(rows(page)).to_have_count(7)
    page.keyboard.press("j")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.get_by_test_id("compare").click()
    sides = page.get_by_test_id("side")
    expect(sides).to_have_count(2)
    sides.first.locator("[data-step=call]").click()
    for at in range(2):
        expect(sides.nth(at).get_by_test_id("step-words")).to_contain_text("Nine to five.")
    expect(page).to_have_url(re.compile("with="))


def test_a_conversation_is_read_in_order_without_repeats(show: Callable[..., Page]) -> None:
    page = show("/conversations")
    page.get_by_test_id("conversations").get_by_role("link").click()
    turns = page.get_by_role("list", name="Turns")
    expect(turns.get_by_text("and then?")).to_have_count(1)
    expect(turns.get_by_text("hello")).to_have_count(1)
    expect(turns.get_by_text("answer 1")).to_have_count(1)


def test_nothing_on_record_shows_lines_to_paste(show: Callable[..., Page], traces: Traces) -> None:
    traces.rows = []
    page = show("/traces")
    expect(page.get_by_test_id("first-call")).to_be_visible()
    expect(page.get_by_role("button", name="Send a test request")).to_be_visible()


@pytest.mark.parametrize("path", ["/traces", f"/traces/{1:032x}?with={2:032x}", "/conversations/talk-1"])
def test_a_narrow_screen_never_scrolls_sideways(show: Callable[..., Page], path: str) -> None:
    page = show(path, size=NARROW, scheme="dark")
    expect(page.locator("main :is(tbody tr, .step-row, .turn)").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


def test_the_query_behind_the_list_can_be_seen(show: Callable[..., Page]) -> None:
    page = show("/traces")
    page.get_by_role("button", name="Query").click()
    expect(page.get_by_test_id("traces-query")).to_contain_text("SELECT trace")
