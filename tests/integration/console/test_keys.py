"""Keys: made, shown once, rotated, revoked."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser


@pytest.fixture
def keys_page(open_page: Callable[..., Page]) -> Page:
    page = open_page("/keys")
    expect(page.get_by_test_id("keys").locator("tbody tr")).to_have_count(3)
    return page


def test_a_new_key_is_shown_once(keys_page: Page, api: FakeApi) -> None:
    keys_page.get_by_role("button", name="New key").click()
    dialog = keys_page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("billing")
    dialog.get_by_label("Models it may use").fill("assistant, smollm2-135m-instruct")
    dialog.get_by_label("Expires").select_option("30")
    dialog.get_by_role("button", name="Make the key").click()
    secret = keys_page.get_by_test_id("new-key")
    expect(secret).to_have_text(re.compile(r"^ph_new4_"))
    text = secret.inner_text()
    assert api.keys[0]["models"] == ["assistant", "smollm2-135m-instruct"]
    assert api.keys[0]["expires_at_ms"] > api.now_ms
    keys_page.get_by_role("button", name="I have it").click()
    expect(keys_page.get_by_test_id("keys").locator("tbody tr").first).to_contain_text("billing")
    assert text not in keys_page.content()


def test_a_key_is_revoked_after_a_question(keys_page: Page, api: FakeApi) -> None:
    keys_page.get_by_role("button", name="Revoke search indexer").click()
    expect(keys_page.get_by_role("dialog")).to_contain_text("refused within a second")
    keys_page.get_by_role("button", name="Cancel").click()
    assert next(row for row in api.keys if row["name"] == "search indexer")["revoked_at_ms"] is None
    keys_page.get_by_role("button", name="Revoke search indexer").click()
    keys_page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(keys_page.get_by_test_id("keys").locator("tbody tr")).to_have_count(2)
    keys_page.get_by_role("button", name="Show 2 revoked").click()
    expect(keys_page.get_by_test_id("keys").locator("tr", has_text="search indexer")).to_contain_text(
        "revoked"
    )


def test_a_key_is_rotated(keys_page: Page) -> None:
    keys_page.get_by_role("button", name="Rotate checkout service").click()
    keys_page.get_by_role("button", name="Make its successor").click()
    expect(keys_page.get_by_test_id("new-key")).to_have_text(re.compile(r"^ph_new4_"))


def test_a_member_may_not_manage_keys(open_page: Callable[..., Page], keys_page: Page) -> None:
    session = {"id": "key_checkout", "name": "checkout", "role": "member", "kind": "session"}
    keys_page.route("**/api/v1/session", lambda route: route.fulfill(json=session))
    keys_page.reload()
    expect(keys_page.get_by_role("button", name="New key")).to_be_disabled()
    expect(keys_page.get_by_role("button", name=re.compile("^Revoke"))).to_have_count(0)
