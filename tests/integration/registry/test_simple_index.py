"""Which indexes are asked, and how their pages are read."""

from pathlib import Path

from pilothouse.registry.simple_index import IndexFile, files_of, index_urls, normalised


def environment(tmp_path: Path, text: str = "", **more: str) -> dict[str, str]:
    (tmp_path / "pip.conf").write_text(text)
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), **more}


def test_pip_s_own_configuration_is_read(tmp_path: Path) -> None:
    text = (
        "[global]\nindex-url = https://mirror.test/simple\nextra-index-url = https://b.test https://c.test\n"
    )
    assert index_urls(environment(tmp_path, text)) == (
        "https://mirror.test/simple",
        "https://b.test",
        "https://c.test",
    )


def test_the_environment_goes_first(tmp_path: Path) -> None:
    text = "[global]\nindex-url = https://mirror.test/simple\n"
    found = environment(tmp_path, text, PIP_INDEX_URL="https://env.test/", PIP_EXTRA_INDEX_URL="")
    assert index_urls(found)[0] == "https://env.test/"


def test_without_any_it_is_pypi() -> None:
    assert index_urls({"PIP_CONFIG_FILE": "/dev/null"}) == ("https://pypi.org/simple",)


def test_an_index_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "some-model").mkdir()
    page = '<a href="../files/some_model-1-py3-none-any.whl#sha256=ab">x</a>'
    (tmp_path / "some-model" / "index.html").write_text(page)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "some_model-1-py3-none-any.whl").write_bytes(b"wheel")
    (file,) = files_of(f"file://{tmp_path}", "Some_Model")
    assert (file.name, file.sha256) == ("some_model-1-py3-none-any.whl", "ab")
    file.download(tmp_path / "copy", lambda _done, _total: None)
    assert (tmp_path / "copy").read_bytes() == b"wheel"
    assert files_of(f"file://{tmp_path}", "other") == []


def test_names_are_compared_as_pep_503_says() -> None:
    assert normalised("Some._-Model") == "some-model"


def test_a_login_stays_with_its_host() -> None:
    from pilothouse.registry import simple_index

    base = "https://user:word@mirror.test/simple/x/"
    made = list(
        simple_index._from_json(
            b'{"files": [{"filename": "a.whl", "url": "/f/a.whl", "hashes": {"sha256": "ab"}},'
            b' {"filename": "b.whl", "url": "https://files.test/b.whl", "hashes": {}}]}',
            base,
        )
    )
    assert made == [
        IndexFile("a.whl", "https://user:word@mirror.test/f/a.whl", "ab"),
        IndexFile("b.whl", "https://files.test/b.whl", None),
    ]
