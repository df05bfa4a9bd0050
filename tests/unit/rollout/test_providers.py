"""The catalogue's rows are whole: an address that can be called, and one name each."""

import re

import pytest

from pilothouse.rollout.check import ENGINES
from pilothouse.rollout.providers import CATALOGUE, VENDORS, Vendor, key_variables

WANTED = {
    "openai", "azure", "mistral", "groq", "together", "deepseek", "openrouter", "fireworks", "xai", "gemini",
    "cerebras", "perplexity", "nvidia", "huggingface", "ollama", "vllm", "llamacpp", "lmstudio",
}  # fmt: skip


def test_every_vendor_that_was_promised_is_there_once() -> None:
    assert set(CATALOGUE) >= WANTED
    assert len(CATALOGUE) == len(VENDORS)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_row_can_be_called(vendor: Vendor) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*", vendor.name)
    assert not vendor.name.startswith(ENGINES)
    if vendor.base_url is None:
        assert "base_url" in vendor.note
    elif vendor.key is None:
        assert vendor.base_url.startswith("http://127.0.0.1:")
    else:
        assert vendor.base_url.startswith("https://")
        assert not vendor.base_url.endswith("/")
    assert vendor.key is None or re.fullmatch(r"[A-Z][A-Z0-9_]+", vendor.key)
    assert vendor.auth_header == vendor.auth_header.lower()


def test_the_key_variables_are_the_vendors_own_and_differ() -> None:
    names = key_variables()
    assert "OPENAI_API_KEY" in names
    assert len(names) == len(set(names))
