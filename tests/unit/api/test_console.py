"""The console's page answers for a browser's navigation, and never for a path of an API."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.console import HASHED, NOT_BUILT, RESERVED, Console, File, is_page

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("path", ["", "requests", "keys", "playground", "requests/", "some/where/deep"])
def test_a_persons_address_is_a_page(path: str) -> None:
    assert is_page(path, BROWSER)


@pytest.mark.parametrize(
    "path",
    [
        *[
            "api",
            "api/v1/keys",
            "v1",
            "v1/chat/completions",
            "metrics",
            "docs/x",
            "openapi.json",
            "signin/x",
            "livez",
            "readyz",
        ],
        *[
            "version",
            "assets/missing",
            "/api/v1/keys",
            "//v1/models",
            "API/v1/keys",
            "\\api\\v1",
            "status",
            "robots.txt",
        ],
        *["assets/index-abcdefgh.js", ".env"],
    ],
)
def test_a_path_of_an_api_or_a_file_is_none(path: str) -> None:
    assert not is_page(path, BROWSER)


@given(st.sampled_from(sorted(RESERVED)), st.text(alphabet="/abc.%\\ é", max_size=20))
def test_nothing_below_a_reserved_name_is_a_page(name: str, rest: str) -> None:
    assert not is_page(f"{name}/{rest}", BROWSER)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_a_client_of_an_api_gets_no_page(accept: str) -> None:
    assert not is_page("requests", accept)


@pytest.mark.parametrize(
    ("name", "is_hashed"),
    [("assets/index-BfbiNp7y.js", True), ("assets/style-BGipc77H.css", True), ("assets/favicon.svg", False)],
)
def test_only_a_name_with_its_hash_is_kept_forever(name: str, is_hashed: bool) -> None:  # noqa: FBT001 - a parameter
    assert bool(HASHED.search(name)) is is_hashed


def test_text_worth_it_is_compressed() -> None:
    text = b"const a = 1;\n" * 500
    compressed = File(text, "text/javascript; charset=utf-8", "no-cache").compressed
    assert compressed is not None
    assert gzip.decompress(compressed) == text
    assert len(compressed) < len(text) / 2


@pytest.mark.parametrize(("content", "media_type"), [(b"short", "text/css"), (b"x" * 5000, "font/woff2")])
def test_what_gains_nothing_is_sent_as_it_is(content: bytes, media_type: str) -> None:
    assert File(content, media_type, "no-cache").compressed is None


def test_a_file_compressed_at_build_time_is_used() -> None:
    assert (
        File(b"x" * 5000, "text/css", "no-cache", precompressed=b"made before").compressed == b"made before"
    )


def test_a_console_that_is_not_built_says_so() -> None:
    assert Console({}).page.content == NOT_BUILT
