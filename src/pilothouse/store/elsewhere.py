"""Which databases of a home are not in it: noted where backups and `doctor`, which read no settings, look.

Refuses to know connections. Invariant: the note holds addresses without passwords.
"""

import json
from pathlib import Path

from pilothouse.contracts.home import Home
from pilothouse.store.settings import StateSettings, StoreSettings

__all__ = ["databases_elsewhere", "note_elsewhere"]


def note_elsewhere(home: Home, state: StateSettings, analytics: StoreSettings) -> None:
    """Notes what the configuration in force keeps outside of the home."""
    given = {"state": state.url, "analytics": analytics.url}
    path = _path(home)
    if found := {name: url for name, url in given.items() if url is not None}:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
        path.chmod(0o600)
    else:
        path.unlink(missing_ok=True)


def databases_elsewhere(home: Home) -> dict[str, str]:
    """Returns the address of each database that is not in the home, by its section of the configuration."""
    try:
        found = json.loads(_path(home).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(url) for name, url in found.items()}


def _path(home: Home) -> Path:
    return Path(home.state).with_name("elsewhere.json")
