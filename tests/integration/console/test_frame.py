"""What holds on every view: the address, the keyboard, colours, narrow screens, motion."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.conftest import NARROW
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser

VIEWS = ["/", "/?chart=tokens", "/requests", "/traffic", "/playground", "/keys"]

CONTRASTS = """() => {
  const probe = document.body.appendChild(document.createElement("span"));
  const light = (name) => {
    probe.style.color = `var(--${name})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) =>
    (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const grounds = ["paper", "surface", "raised", "sunken", "hover"];
  const text = ["ink", "ink-2", "ink-3", "accent", "good", "warn", "bad"];
  const soft = ["good", "warn", "bad", "accent"];
  const bad = [];
  const need = (a, b, least) => {
    if (ratio(a, b) < least) bad.push(`${a} on ${b}: ${ratio(a, b).toFixed(2)}`);
  };
  for (const ground of grounds) for (const ink of text) need(ink, ground, 4.5);
  for (const tone of soft) for (const ink of [tone, "ink", "ink-2"]) need(ink, `${tone}-soft`, 4.5);
  need("ink-3", "accent-soft", 4.5);
  need("on-accent", "accent", 4.5);
  const marks = ["edge", "series-bad", ...[1, 2, 3, 4, 5, 6].map((number) => `series-${number}`)];
  for (const ground of ["paper", "surface", "raised"]) for (const mark of marks) need(mark, ground, 3);
  probe.remove();
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_holds_wcag_aa(open_page: Callable[..., Page], scheme: str) -> None:
    page = open_page("/", scheme=scheme)
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    assert page.evaluate(CONTRASTS) == []


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_kept(open_page: Callable[..., Page]) -> None:
    page = open_page("/", scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    dark = page.evaluate(ground)
    page.get_by_test_id("theme").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    expect(page.get_by_test_id("theme")).to_have_attribute("aria-label", re.compile("light"))
    assert page.evaluate(ground) == light
    page.keyboard.press("t")
    assert page.evaluate(ground) == dark
    page.keyboard.press("t")
    assert page.evaluate("localStorage.length") == 0


def test_everything_can_be_reached_by_keyboard(page: Page, api: FakeApi) -> None:
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    for keys, path in (
        ("gr", "/requests"),
        ("gp", "/playground"),
        ("gk", "/keys"),
        ("gt", "/traffic"),
        ("go", "/"),
        ("gr", "/requests"),
    ):
        page.evaluate("document.activeElement.blur()")
        for key in keys:
            page.keyboard.press(key)
        expect(page).to_have_url(re.compile(f"{path}$"))
    expect(page.get_by_test_id("calls").locator("tbody tr")).to_have_count(50)

    page.keyboard.press("/")
    search = page.get_by_label("Filter by id, key or error")
    expect(search).to_be_focused()
    page.keyboard.type("jk")
    expect(search).to_have_value("jk")
    search.fill("")
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    row = page.locator(f"[data-call='{api.calls[1]['call_id']}']")
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    drawer = page.get_by_test_id("call-drawer")
    expect(drawer.get_by_test_id("waterfall")).to_be_visible()
    page.keyboard.press("j")
    expect(drawer).to_contain_text(api.calls[2]["call_id"])
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page.locator(f"[data-call='{api.calls[2]['call_id']}']")).to_be_focused()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)


def test_focus_can_be_seen(page: Page) -> None:
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_back_and_forward_walk_through_what_was_seen(page: Page, api: FakeApi) -> None:
    page.get_by_role("link", name="Requests", exact=True).click()
    page.locator(f"[data-call='{api.calls[3]['call_id']}']").click()
    expect(page.get_by_test_id("call-drawer")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("call-drawer")).to_have_count(0)
    page.go_back()
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.get_by_test_id("call-drawer")).to_contain_text(api.calls[3]["call_id"])


def test_the_address_alone_restores_the_screen(open_page: Callable[..., Page], api: FakeApi) -> None:
    call = next(call for call in api.calls if call["model"] == "assistant")
    page = open_page(f"/requests?model=assistant&window=3600&q=req_&call={call['request_id']}")
    expect(page.locator("select[name=model]")).to_have_value("assistant")
    expect(page.get_by_label("Filter by id, key or error")).to_have_value("req_")
    expect(page.get_by_test_id("call-drawer")).to_contain_text(call["call_id"])


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_never_scrolls_sideways(open_page: Callable[..., Page], view: str) -> None:
    page = open_page(view, size=NARROW)
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    page.wait_for_load_state("load")
    expect(page.locator("main :is(.tile, tbody tr, textarea)").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


def test_one_call_fits_a_narrow_screen(open_page: Callable[..., Page], api: FakeApi) -> None:
    page = open_page(f"/requests?call={api.calls[0]['call_id']}", size=NARROW)
    expect(page.get_by_test_id("waterfall")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    assert page.evaluate("document.querySelector('.drawer-body').scrollWidth") <= NARROW[0]


def test_reduced_motion_is_honoured(page: Page) -> None:
    motion = "getComputedStyle(document.querySelector('.dot.is-pulsing'), '::after').animationName"
    expect(page.get_by_test_id("live")).to_have_text("live")
    assert page.evaluate(motion) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(motion) == "pulse"


def test_a_hidden_page_holds_no_stream(page: Page, api: FakeApi) -> None:
    expect(page.get_by_test_id("live")).to_have_text("live")
    assert api.tails() == 1
    hide = """(isHidden) => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, arg=True)
    api.wait_for_tails(0)
    missed = api.push()
    page.evaluate(hide, arg=False)
    expect(page.locator(f"[data-call='{missed['call_id']}']")).to_be_visible()


def test_an_unknown_page_says_so(open_page: Callable[..., Page]) -> None:
    page = open_page("/nowhere")
    page.get_by_role("link", name="Go to the overview.").click()
    expect(page.get_by_test_id("tile-latency")).to_be_visible()
