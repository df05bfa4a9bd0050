"""The contrast of every word as it is rendered, in both themes: WCAG AA over what really lies behind it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.conftest import NARROW, WIDE
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser

TOO_FAINT = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  const rgba = (colour) => {
    if (!parsed.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      parsed.set(colour, [r, g, b, a / 255]);
    }
    return parsed.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = new Set();
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".offscreen, option, :disabled, noscript, svg")) continue;
    const style = getComputedStyle(element);
    const behind = ground(element);
    const text = over(rgba(style.color), behind);
    const [one, two] = [light(text), light(behind)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (ratio < (isLarge ? 3 : 4.5) - 0.005) {
      const words = walker.currentNode.data.trim().slice(0, 30);
      bad.add(`${ratio.toFixed(2)} ${element.className || element.tagName}: ${words}`);
    }
  }
  return { seen, bad: [...bad] };
}"""


def _check(page: Page, least: int) -> None:
    found = page.evaluate(TOO_FAINT)
    assert found["bad"] == []
    assert found["seen"] >= least, "there was little to see"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(open_page: Callable[..., Page], api: FakeApi, scheme: str) -> None:
    api.level, api.reasons = "degraded", ["assistant/anthropic-1 is failed: circuit open"]
    page = open_page("/", scheme=scheme, size=WIDE)
    expect(page.get_by_test_id("open-alerts")).to_have_text("1 alert")
    expect(page.get_by_test_id("calls").locator("tbody tr")).to_have_count(12)
    _check(page, 150)
    page.get_by_role("button", name="Latency").click()
    page.get_by_label("Split").select_option("model")
    page.get_by_role("button", name="Show the query").click()
    expect(page.get_by_test_id("query")).to_be_visible()
    _check(page, 160)
    page.keyboard.press("Control+k")
    expect(page.get_by_test_id("palette").get_by_role("option").first).to_be_visible()
    _check(page, 160)
    page.keyboard.press("Escape")
    for path, shown in (
        (f"/requests?call={api.calls[0]['call_id']}", "[data-testid=waterfall]"),
        ("/traffic", "main tbody tr"),
        ("/keys", "main tbody tr"),
        ("/playground", "main textarea"),
    ):
        page.goto(path)
        expect(page.locator(shown).first).to_be_visible()
        _check(page, 20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read_on_a_narrow_screen(
    open_page: Callable[..., Page], api: FakeApi, scheme: str
) -> None:
    api.calls.clear()
    page = open_page("/", scheme=scheme, size=NARROW)
    expect(page.get_by_test_id("first-call")).to_be_visible()
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("navigation").get_by_role("link", name="Keys", exact=True)).to_be_visible()
    _check(page, 60)
