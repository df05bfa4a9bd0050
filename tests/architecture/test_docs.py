"""The documentation is tested: links lead somewhere, code blocks hold, generated pages are current."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import code_map
import pytest
import reference
import reference_structs
import typer
import yaml

from pilothouse.cli.app import build
from pilothouse.config.load import load
from pilothouse.config.sections import Configuration
from pilothouse.contracts.errors import ConfigurationError
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.rollout.check import problems

README_LINES = 150
PAGES_AT_THE_TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
NO_METRICS = {"pilothouse_session", "pilothouse_answer"}
"""Names of another kind: the session cookie, and the tool by which an answer in a format is asked for."""
FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def pages(root: Path) -> list[Path]:
    """Returns every page of the documentation."""
    return [root / name for name in PAGES_AT_THE_TOP] + sorted((root / "docs").rglob("*.md"))


def anchors(text: str) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    prose = FENCE.sub("", text)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """Yields each relative link of a page that leads nowhere."""
    for link, image in LINK.findall(FENCE.sub("", page.read_text())):
        target, _, anchor = (link or image).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            yield f"{target} (no such file)"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"{target}#{anchor} (no such heading)"


def broken_block(language: str, code: str) -> str | None:
    """Returns why a code block of a language we know is wrong, or `None`."""
    try:
        if language == "python":
            ast.parse(code)
        elif language == "json":
            json.loads(code)
        elif language == "yaml":
            yaml.safe_load(code)
        elif language == "toml":
            tomllib.loads(code)
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        return str(error)
    return None


def commands_in(language: str, code: str) -> Iterator[list[str]]:
    """Yields each call of `pilothouse` in a shell block: after `$ ` in a console block, else on any line."""
    joined = code.replace("\\\n", " ")
    for line in joined.splitlines():
        if language == "console" and not line.startswith("$ "):
            continue
        text = line.removeprefix("$ ").split(" #")[0].split("|")[0].split(">")[0]
        try:
            words = shlex.split(text)
        except ValueError:  # a quote that ends on another line: not a call of ours
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0].rsplit("/", 1)[-1] == "pilothouse":
            yield words[1:]


def broken_command(words: list[str]) -> str | None:
    """Returns what is wrong with a call of `pilothouse`: no such command, option, or a missing argument."""
    command: Any = typer.main.get_command(build())
    path = ["pilothouse"]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"`{' '.join(path)}` has no command `{words[0]}`"
        path.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    options = {
        name: p for p in command.params for name in [*p.opts, *p.secondary_opts] if name.startswith("-")
    }
    arguments = 0
    while words:
        word, words = words[0].partition("=")[0], words[1:]
        if not word.startswith("-"):
            arguments += 1
        elif word in {"--help", "-h"}:
            return None
        elif word not in options:
            return f"`{' '.join(path)}` has no option `{word}`"
        elif not options[word].is_flag:
            words = words[1:]
    needed = sum(p.required for p in command.params if p.param_type_name == "argument")
    return f"`{' '.join(path)}` needs {needed} arguments" if arguments < needed else None


def named_commands(tree: ast.Module) -> Iterator[list[str]]:
    """Yields each `pilothouse …` in backticks in a module's texts, up to its first placeholder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for call in re.findall(r"`pilothouse ([a-z][^`\n]*)`", node.value):
                yield re.split(r"\s+(?=[A-Z<…{])", call)[0].split()


def broken_configuration(code: str, folder: Path) -> str | None:
    """Returns why a YAML block marked `pilothouse` is no configuration, or `None`."""
    file = folder / "pilothouse.yaml"
    file.write_text(code)
    try:
        loaded = load(str(file), {})
    except ConfigurationError as error:
        return error.message
    wrong = next(problems(loaded.configuration.rollout, BUNDLE), None)
    return None if wrong is None else f"{loaded.document.at(wrong.place)}: {wrong.message}"


def test_the_readme_is_short(root: Path) -> None:
    """Whoever has a minute reads it whole."""
    assert len((root / "README.md").read_text().splitlines()) <= README_LINES


def test_every_link_leads_somewhere(root: Path) -> None:
    """Relative links name a file that is there, and a heading in it."""
    broken = {page.relative_to(root).as_posix(): list(broken_links(page)) for page in pages(root)}
    assert {page: links for page, links in broken.items() if links} == {}


def test_every_page_is_reached_from_the_index(root: Path) -> None:
    """A page that no index leads to is not found; `docs/decisions/` has an index of its own."""
    linked = {root / "docs" / "README.md"}
    for index in sorted((root / "docs").rglob("README.md")):
        links = [link.partition("#")[0] for link, _ in LINK.findall(index.read_text())]
        linked |= {(index.parent / link).resolve() for link in links}
    assert [page for page in sorted((root / "docs").rglob("*.md")) if page not in linked] == []


def test_code_blocks_hold(root: Path, tmp_path: Path) -> None:
    """Python, JSON, YAML and TOML parse; a block marked `yaml pilothouse` is a good configuration."""
    wrong: list[str] = []
    for page in pages(root):
        for language, mark, code in FENCE.findall(page.read_text()):
            found = broken_block(language, code)
            if not found and language == "yaml" and mark.strip() == "pilothouse":
                found = broken_configuration(code, tmp_path)
            if found:
                wrong.append(f"{page.name}: {found}\n{code}")
    assert wrong == []


def test_every_command_in_the_docs_exists(root: Path) -> None:
    """Each `pilothouse …` in a shell block names a command, options and as many arguments as it needs."""
    wrong: list[str] = []
    for page in pages(root):
        for language, _, code in FENCE.findall(page.read_text()):
            if language in {"sh", "console"}:
                calls = commands_in(language, code)
                wrong += [f"{page.name}: {found}" for words in calls if (found := broken_command(words))]
    assert wrong == []


def test_every_command_that_a_message_names_exists(trees: dict[str, ast.Module]) -> None:
    """An error's hint that says "run `pilothouse …`" must name a real command; arguments may be left out."""
    wrong: list[str] = []
    for path, tree in trees.items():
        for words in named_commands(tree):
            found = broken_command(words)
            if found and "needs" not in found:
                wrong.append(f"{path}: {found}")
    assert wrong == []


def test_the_layers_and_the_code_map_are_current() -> None:
    """`make docs` would change nothing in ARCHITECTURE.md."""
    page = code_map.PAGE.read_text()
    assert code_map.current(page) == page


def test_the_reference_is_current() -> None:
    """`make docs` would change nothing in docs/reference."""
    assert list(reference.stale(reference.FOLDER)) == []


def test_every_metric_is_in_the_reference(trees: dict[str, ast.Module], root: Path) -> None:
    """Each name that looks like a metric's, anywhere in the source, stands on the page."""
    page = (root / "docs" / "reference" / "metrics.md").read_text()
    texts = [n.value for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    looks = re.compile(r"pilothouse_[a-z0-9_]+")
    names = {text for text in texts if isinstance(text, str) and looks.fullmatch(text)}
    assert {name for name in names - NO_METRICS if f"`{name}`" not in page} == set()


def test_every_setting_says_what_it_does() -> None:
    """Each setting of the configuration file has a docstring under it."""
    silent: list[str] = []

    def visit(struct: type[Any]) -> None:
        silent.extend(f"{struct.__name__}.{name}" for name in reference_structs.undocumented(struct))
        for field in reference_structs.fields_of(struct):
            for inner in field.structs:
                visit(inner)

    visit(Configuration)
    assert sorted(set(silent)) == []


def test_the_checkers_can_fail(tmp_path: Path) -> None:
    """Each checker refuses a bad sample and lets the good one pass."""
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[x](gone.md) [y](#a-b-c) [z](page.md#none)\n```\n[in code](no.md)\n```\n")
    assert list(broken_links(page)) == ["gone.md (no such file)", "page.md#none (no such heading)"]
    assert broken_block("json", '{"a": }') is not None
    assert broken_block("python", "def f(:") is not None
    assert broken_block("text", "def f(:") is None
    assert broken_configuration("gateway: {prot: 1}", tmp_path) is not None
    assert broken_configuration("gateway: {port: 8081}", tmp_path) is None
    assert broken_configuration("models: {a: {deployments: [{provider: nobody}]}}", tmp_path) is not None
    with pytest.raises(ValueError, match="markers"):
        code_map.put("no markers", code_map.LAYERS, "")
    assert list(reference.stale(tmp_path)) == list(reference.PAGES)


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        ("$ pilothouse keys list --json | jq .", True),
        ("$ PILOTHOUSE_HOME=/x .venv/bin/pilothouse keys create my-app --team blue", True),
        ("$ pilothouse keys destroy x", False),
        ("$ pilothouse keys list --yaml", False),
        ("$ pilothouse keys create", False),
    ],
)
def test_wrong_commands_are_seen(line: str, is_good: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """No such command, no such option, too few arguments."""
    (words,) = commands_in("console", f"some output of pilothouse\n{line}\n")
    assert (broken_command(words) is None) is is_good


def test_commands_are_found_in_messages() -> None:
    """Up to a placeholder; an unknown one is seen."""
    tree = ast.parse('raise E("Run `pilothouse keys create NAME`, or `pilothouse nothing`.")')
    calls = list(named_commands(tree))
    assert calls == [["keys", "create"], ["nothing"]]
    assert broken_command(calls[1]) is not None


def test_calls_are_found_in_shell_blocks() -> None:
    """Lines joined by a backslash are one call; other programs are none of ours."""
    code = "curl x\npilothouse up \\\n  --port 9\nexport A=1\necho 'pilothouse\n"
    assert list(commands_in("sh", code)) == [["up", "--port", "9"]]


def test_every_dependency_has_its_reason(root: Path) -> None:
    """The tables of decision 12 name what pyproject.toml asks for, no more and no less."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *groups["console"]]
    wanted += [item for item in groups["dev"] if isinstance(item, str)]
    wanted += [item for extra in project["project"]["optional-dependencies"].values() for item in extra]
    page = (root / "docs" / "decisions" / "0012-dependencies.md").read_text()
    named = re.findall(r"^\| (\w[\w-]*) \| (?!licence)", page, re.MULTILINE)
    assert sorted(named) == sorted({re.split(r"[<>=~ \[]", item)[0] for item in wanted})


def test_a_journeys_page_and_its_test_have_one_name(root: Path) -> None:
    """Each page of a journey that ARCHITECTURE.md links to has its test in `tests/journeys/`."""
    section = (root / "ARCHITECTURE.md").read_text().split("## Journeys")[1].split("\n## ")[0]
    linked = [Path(link).stem for link, _ in LINK.findall(section)]
    assert linked
    missing = [
        name for name in linked if not (root / f"tests/journeys/test_{name.replace('-', '_')}.py").exists()
    ]
    assert missing == []
