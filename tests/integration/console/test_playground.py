"""The playground: a stream, its figures, its record, and what goes wrong."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.integration.console.conftest import Watch
from tests.integration.console.fake_api import FakeApi

pytestmark = pytest.mark.browser


@pytest.fixture
def playground(open_page: Callable[..., Page]) -> Page:
    page = open_page("/playground")
    expect(page.locator("select[name=model]")).to_have_value("smollm2-135m-instruct")
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.keyboard.press("Enter")


def test_an_answer_streams_and_its_figures_and_record_follow(playground: Page, api: FakeApi) -> None:
    playground.get_by_label("System prompt").fill("Be short.")
    ask(playground, "What is a pilothouse?")
    answer = playground.get_by_test_id("exchange")
    expect(answer).to_contain_text("A pilothouse is the room from which a ship is steered.")
    figures = playground.get_by_test_id("measured")
    expect(figures).to_have_text(re.compile(r"first token\s+[\d.]+ ms.*tokens/s\s+[\d.]+.*21 → 12"))
    sent = api.chats[0]
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["messages"][0] == {"role": "system", "content": "Be short."}
    assert (sent["temperature"], sent["max_tokens"]) == (0.7, 256)
    figures.get_by_role("button", name="the record of this call").click()
    expect(playground.get_by_test_id("call-drawer")).to_contain_text(api.calls[0]["call_id"])


def test_a_second_question_carries_the_first_exchange(playground: Page, api: FakeApi) -> None:
    ask(playground, "One?")
    expect(playground.get_by_test_id("measured")).to_have_count(1)
    ask(playground, "Two?")
    expect(playground.get_by_test_id("measured")).to_have_count(2)
    assert [message["role"] for message in api.chats[1]["messages"]] == ["user", "assistant", "user"]


def test_stopping_keeps_what_has_come(playground: Page, api: FakeApi) -> None:
    api.token_s = 30.0
    ask(playground, "Slowly, please.")
    expect(playground.get_by_text("Waiting for the first token…")).to_be_visible()
    playground.get_by_role("button", name="Stop").click()
    expect(playground.get_by_test_id("measured")).to_contain_text("stopped")
    expect(playground.get_by_role("button", name="Send")).to_be_visible()


def test_a_refusal_shows_its_hint_and_a_cut_answer_is_no_success(playground: Page, watch: Watch) -> None:
    watch.allow("status of 503")
    ask(playground, "Please refuse this.")
    expect(playground.get_by_role("alert")).to_contain_text("No deployment can take this call.")
    expect(playground.get_by_role("alert")).to_contain_text("try again in a few seconds")
    ask(playground, "Now be cut.")
    expect(playground.get_by_test_id("exchange").last).to_contain_text("A pilothouse is the")
    expect(playground.get_by_role("alert").last).to_contain_text("The engine stopped midway.")


def test_the_model_and_settings_live_in_the_address_and_embeddings_are_not_offered(playground: Page) -> None:
    choice = playground.locator("select[name=model]")
    assert choice.locator("option").all_inner_texts() == ["smollm2-135m-instruct", "assistant"]
    choice.select_option("assistant")
    playground.get_by_label("Max tokens").fill("64")
    playground.reload()
    expect(choice).to_have_value("assistant")
    expect(playground.get_by_label("Max tokens")).to_have_value("64")
