"""Writes `docs/reference/` from the code: settings, commands, routes, metrics, events, errors and more.

Refuses to know any fact itself: each page is read out of what the program runs on. Invariant: a second run
changes nothing.

    reference.py            write the pages
    reference.py --check    say which are not current; exit status 1 when one is not
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from reference_structs import fields_of, one_line, struct_table, structs_in, subclasses, table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
METRIC_KINDS = ("counter", "gauge", "histogram")
METRIC_PREFIXES = ("pilothouse_", "gen_ai_", "vllm:")
NOTE = "<!-- Written by `make docs` from the code: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """Returns a page's text."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip() for part in parts)]) + "\n"


# Settings


def settings() -> str:
    """Returns the page of every setting of the configuration file."""
    from pilothouse.config.load import VARIABLES
    from pilothouse.config.sections import Configuration

    sections = list(fields_of(Configuration))
    intro = (
        "One YAML file, named by `--config` or `PILOTHOUSE_CONFIG`. An empty file, or none, is a whole "
        "configuration. An unknown key or a wrong value is an error that names the line and what to write. "
        "`${NAME}` and `${NAME:-default}` are replaced from the environment; a provider's `api_key` must be "
        "such a reference."
    )
    parts = [
        intro,
        table("section", "what", rows=[(f"[`{s.name}`](#{s.name})", s.text) for s in sections]),
    ]
    for section in sections:
        title = f"## `{section.name}`"
        parts.append(
            "\n\n".join([title, section.text, *struct_parts(section.structs, section.name, section.suffix)])
        )
    variables = [(f"`{variable}`", f"`gateway.{name}`") for name, variable in VARIABLES.items()]
    parts.append("## Environment variables\n\nA flag goes before its variable, a variable before the file.")
    parts.append(table("variable", "same as", rows=[*environment(), *variables]))
    return page("Settings", *parts)


def environment() -> list[tuple[str, str]]:
    """Returns the variables that are not settings of the file."""
    return [
        ("`PILOTHOUSE_HOME`", "`--home`: the folder that holds everything that is kept"),
        ("`PILOTHOUSE_CONFIG`", "`--config`: the configuration file"),
        ("`PILOTHOUSE_ROOT_KEY`", "the root API key; without it `up` makes one and keeps it in the home"),
    ]


def struct_parts(structs: tuple[type[msgspec.Struct], ...], prefix: str, suffix: str) -> Iterator[str]:
    """Yields a table for each struct of a setting, then for those inside it, under their dotted names."""
    for struct in structs:
        name = prefix + suffix
        fields = list(fields_of(struct))
        rows = [(f"`{name}.{f.name}`", f.kind, f.default, f.text) for f in fields]
        yield table("setting", "type", "default", "meaning", rows=rows)
        for field in fields:
            yield from struct_parts(field.structs, f"{name}.{field.name}", field.suffix)


# The command line


def commands() -> str:
    """Returns the page of every command, argument and option."""
    import typer

    from pilothouse.cli.app import build

    parts = ["Every listing command has `--json` and works on the local home without a key."]
    for path, command in walk(typer.main.get_command(build()), "pilothouse"):
        if not hasattr(command, "commands"):
            parts.append(command_part(path, command))
    return page("The command line", *parts)


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yields each command of the program with the words that call it."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{path} {name}")


def command_part(path: str, command: Any) -> str:
    """Returns one command's part of the page."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([path, *(argument_usage(p) for p in arguments), *(["[OPTIONS]"] if options else [])])
    rows = [(f"`{argument_usage(p)}`", "required" if p.required else "", p.help or "") for p in arguments]
    rows += [
        (", ".join(f"`{name}`" for name in [*p.opts, *p.secondary_opts]), default_text(p), p.help or "")
        for p in options
    ]
    body = [f"## `{path}`", one_line(command.help or ""), f"    {usage}"]
    return "\n\n".join(
        body + ([table("argument or option", "default", "meaning", rows=rows)] if rows else [])
    )


def argument_usage(parameter: Any) -> str:
    """Returns an argument as a usage line names it."""
    name = (parameter.metavar or parameter.name).upper().strip("[]")
    return name if parameter.required else f"[{name}]"


def default_text(parameter: Any) -> str:
    """Returns an option's default, and the variable that sets it."""
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    said = [] if shown is None or shown in ([], (), False) or callable(shown) else [f"`{shown}`"]
    if parameter.required:
        said = ["required"]
    variable = parameter.envvar
    names = [variable] if isinstance(variable, str) else list(variable or [])
    return " ".join([*said, *(f"(`{name}`)" for name in names)])


# What goes over borders


def events() -> str:
    """Returns the page of the journal's events."""
    from pilothouse.contracts import events as module

    parts = [one_line((module.__doc__ or "").split("Refuses")[0])]
    listed: list[type[msgspec.Struct]] = [
        *structs_in(module.Event),
        module.Content,
        module.Parameters,
        module.Attempt,
    ]
    for struct in listed:
        tag = struct.__struct_config__.tag
        title = f"## `{tag}`" if isinstance(tag, str) else f"## `{struct.__name__}`"
        parts += [title, one_line(struct.__doc__ or ""), struct_table(struct)]
    return page("Events", *parts)


def status() -> str:
    """Returns the page of what each process answers on its status socket."""
    from pilothouse.contracts import status as module

    intro = (
        "Each process answers `GET /status` on a Unix socket of its own in the home's `run` folder. "
        "`GET /api/v1/status` gathers them."
    )
    parts = [intro]
    for struct in (
        module.SupervisorStatus,
        module.ProcessStatus,
        module.EngineStatus,
        module.GatewayStatus,
        module.UpstreamStatus,
        module.DeploymentStatus,
        module.CacheStatus,
    ):
        parts += [f"## `{struct.__name__}`", one_line(struct.__doc__ or ""), struct_table(struct)]
    return page("Status", *parts)


def errors() -> str:
    """Returns the page of every error a caller can meet."""
    from pilothouse.contracts.errors import ApiError, PilothouseError

    rows: list[tuple[str, ...]] = []
    for error, _depth in subclasses(PilothouseError):
        said = one_line(error.__doc__ or "").split(": ", 1)[-1]
        # A package's own kinds of these are among them; which are loaded must not change the page.
        is_listed = error.__module__ == ApiError.__module__ and error is not ApiError
        if is_listed and issubclass(error, ApiError):
            rows.append((f"{error.status}", f"`{error.type}`", f"`{error.default_code}`", said))
    shape = '```json\n{"error": {"message": "…", "type": "…", "param": null, "code": "…", "hint": "…"}}\n```'
    intro = (
        "Every error is answered in OpenAI's shape, with a `hint` that says what to do. `code` is often more "
        "exact than the default shown here. After the first byte of a stream, the same object is sent as an "
        "event."
    )
    return page("Errors", intro, shape, table("status", "type", "default code", "meaning", rows=sorted(rows)))


def files() -> str:
    """Returns the page of what lies where in the home folder."""
    from reference_structs import field_docstrings

    from pilothouse.contracts import home as module

    texts = field_docstrings(module.Home)
    home = module.Home("~/.pilothouse")
    rows = [
        (f"`{getattr(home, name)}`", text)
        for name, text in texts.items()
        if isinstance(getattr(module.Home, name), property)
    ]
    rows.append((f"`{home.gateway_status_socket('<worker>')}`", "A gateway worker's `/status`."))
    rows.append((f"`{home.run}/engine-<number>.sock`", "Where an engine of ours listens."))
    return page(
        "Files of a home",
        "Everything that is kept lies in the home folder (`--home`).",
        table("path", "what", rows=rows),
    )


def vendors() -> str:
    """Returns the page of the catalogue of providers."""
    from pilothouse.rollout.providers import VENDORS

    rows = [
        (
            f"`{vendor.name}`",
            f"`{vendor.base_url}`" if vendor.base_url else "yours",
            f"`{vendor.key}`" if vendor.key else "none",
            f"`{vendor.dialect}`",
            "yes" if vendor.responses else "",
            ", ".join(f"`{name}`" for name in vendor.drops),
            "yes" if vendor.price_list else "no",
            vendor.note,
        )
        for vendor in VENDORS
    ]
    intro = "A vendor whose variable is set is there without a line of configuration, as `<vendor>/<model>`."
    return page(
        "Vendors",
        intro,
        table(
            "name",
            "address",
            "variable",
            "dialect",
            "own `/responses`",
            "fields taken out",
            "price list",
            "note",
            rows=rows,
        ),
    )


def models() -> str:
    """Returns the page of the bundled models."""
    from pilothouse.registry.catalogue import BUNDLE

    rows = [
        (
            f"`{model.name}`",
            model.kind,
            model.description,
            f"{model.parameters / 1e6:.0f} million",
            f"{model.context_tokens}",
            f"{model.download_bytes / 1e6:.0f} MB, {model.stored_bytes / 1e6:.0f} MB",
            model.licence,
            f"`{model.source}`",
        )
        for model in BUNDLE.values()
    ]
    header = ("name", "kind", "what", "weights", "context tokens", "download, on disk", "licence", "source")
    intro = (
        "Served without being configured. `pilothouse up` pulls what is missing, checks it against a pinned "
        "SHA-256 and keeps it in the artefact store."
    )
    return page("Bundled models", intro, table(*header, rows=rows))


def metrics() -> str:
    """Returns the page of every metric: each `Family(name, kind, help, ...)` in the source."""
    found = sorted(set(families(ROOT / "src" / "pilothouse")))
    intro = "`GET /metrics`, in Prometheus' text format. From loopback it needs no key, unless configured so."
    rows = [(f"`{name}`", kind, said) for name, kind, said in found]
    return page("Metrics", intro, table("metric", "kind", "what", rows=rows))


def http() -> str:
    """Returns the page of every HTTP route."""
    from reference_http import description, parts

    described = description()
    intro = (
        f"{one_line(described['info']['description'])} The same as a page of the running server: `/docs`; as "
        "OpenAPI: `/openapi.json`. Errors: [their shape and codes](errors.md)."
    )
    return page("HTTP", intro, *parts(described))


def families(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields name, kind and help of each metric family that the source makes."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).split(".")[-1].strip("_").lower()
                texts = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
                if called in {"family", *METRIC_KINDS} and texts and texts[0].startswith(METRIC_PREFIXES):
                    kind = called if called in METRIC_KINDS else texts[1]
                    yield texts[0], kind, texts[-1]


def measures() -> str:
    """Returns the page of every measure that charts, alerts and objectives name."""
    from pilothouse.analytics.measures import BY, MEASURES

    goals = {"up": "more", "down": "less", "none": "-"}
    rows = [(f"`{m.name}`", m.unit, goals[m.goal], f"{m.title}. {m.description}") for m in MEASURES.values()]
    return page(
        "Measures",
        "The numbers that charts, alerts, objectives and CSV files name, told apart or narrowed by "
        f"{', '.join(f'`{name}`' for name in BY)}. A custom metric is `metric.<name>`. "
        "`GET /api/v1/series` gives one over time.",
        table("measure", "unit", "better", "what it is", rows=rows),
    )


PAGES: dict[str, Callable[[], str]] = {
    "measures.md": measures,
    "settings.md": settings,
    "command-line.md": commands,
    "events.md": events,
    "status.md": status,
    "errors.md": errors,
    "files.md": files,
    "vendors.md": vendors,
    "models.md": models,
    "metrics.md": metrics,
    "http.md": http,
}


def stale(folder: Path) -> dict[str, str]:
    """Returns the pages whose file differs from what the code says, with their right text."""
    wanted = {name: write() for name, write in PAGES.items()}
    return {
        name: text
        for name, text in wanted.items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    }


def main(arguments: list[str]) -> int:
    """Writes the pages, or with `--check` compares them; returns the exit status."""
    changed = stale(FOLDER)
    if "--check" in arguments:
        if changed:
            print(f"Not current: {', '.join(changed)}. Run `make docs`.")
        return 1 if changed else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in changed.items():
        (FOLDER / name).write_text(text)
        print(f"Wrote docs/reference/{name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
