"""Signing in and out of the console."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.conftest import Watch
from tests.integration.console.fake_api import KEY, FakeApi

pytestmark = pytest.mark.browser


def test_a_wrong_key_is_refused_with_a_hint_and_a_right_one_opens_the_page(
    open_page: Callable[..., Page], watch: Watch
) -> None:
    watch.allow("status of 401")
    page = open_page("/requests?outcome=failed", is_signed_in=False)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("pilothouse up")).to_be_visible()
    expect(page.get_by_label("API key")).to_be_focused()

    page.get_by_label("API key").fill("ph_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("pilothouse keys create NAME")

    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Requests")).to_be_visible()
    assert page.url.endswith("/requests?outcome=failed")
    assert KEY not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")


def test_signing_out_and_a_session_that_ends_both_lead_to_the_door(
    page: Page, api: FakeApi, watch: Watch
) -> None:
    watch.allow("status of 401")
    page.get_by_role("button", name="Account: root").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert api.sessions == set()

    page.goto("/signin?token=again")
    expect(page.get_by_test_id("tile-requests")).to_be_visible()
    api.sessions.clear()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_nothing_of_the_page_is_asked_for_without_a_session(
    open_page: Callable[..., Page], watch: Watch
) -> None:
    watch.allow("status of 401")
    asked: list[str] = []
    page = open_page("/", is_signed_in=False)
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert {url for url in asked if "/api/" in url or "/v1/" in url} == {f"{watch.origin}/api/v1/session"}
