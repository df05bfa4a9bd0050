"""The way `slack`: an incoming webhook as Slack, Mattermost, Rocket.Chat and others take it.

The payload is Slack's (`text`, `attachments` with a colour): https://api.slack.com/messaging/webhooks.
Refuses to know workspaces. Invariant: labels cannot mention a channel or make a link: Slack's three special
characters are escaped.
"""

import msgspec

from pilothouse.monitors.delivery.notice import MOST_LISTED, Notice, Told, headline
from pilothouse.monitors.delivery.post import post
from pilothouse.monitors.delivery.way import Errand

__all__ = ["Slack", "payload"]

COLOURS = {"critical": "#a5281c", "warning": "#b07a1e", "info": "#0b7a82"}
OVER = "#1a6a43"


class Slack:
    """Posts text and one coloured block for each alert."""

    def wants(self, notice: Notice) -> bool:
        """Takes all but acknowledgements: those who read there know."""
        return notice.status != "acknowledged"

    def send(self, errand: Errand) -> None:
        """Posts a notice."""
        body = msgspec.json.encode(payload(errand.notice))
        post(errand.secret("webhook_url"), body, {}, errand.receiver)


def payload(notice: Notice) -> dict[str, object]:
    """Returns what is posted."""
    blocks = [_block(told) for told in notice.alerts[:MOST_LISTED]]
    return {"text": _escaped(headline(notice)), "attachments": blocks}


def _block(told: Told) -> dict[str, object]:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(told.labels.items()))
    said = [_escaped(labels)]
    if told.runbook:
        said.append(f"What to do: {_escaped(told.runbook)}")
    if told.link:
        said.append(f"<{_escaped(told.link).replace('|', '%7C')}|The calls behind it>")
    return {
        "color": OVER if told.state == "resolved" else COLOURS.get(told.severity, COLOURS["info"]),
        "title": _escaped(f"{told.summary} ({told.state})"),
        "text": "\n".join(said),
        "fallback": _escaped(told.summary),
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
