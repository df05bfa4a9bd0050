"""The way `pagerduty`: Events API v2, one incident for each group of alerts.

See https://developer.pagerduty.com/docs/events-api-v2. Refuses to know services and schedules. Invariant: the
same group always has the same `dedup_key`, so that telling twice opens one incident.
"""

from datetime import UTC, datetime

import msgspec

from pilothouse.monitors.delivery.notice import Notice, headline, lines
from pilothouse.monitors.delivery.post import post
from pilothouse.monitors.delivery.way import Errand

__all__ = ["PagerDuty", "event"]

ACTIONS = {"firing": "trigger", "acknowledged": "acknowledge", "resolved": "resolve", "test": "trigger"}
MOST_SUMMARY = 1024
"""Characters that PagerDuty takes of a summary."""
MS_IN_S = 1000


class PagerDuty:
    """Triggers, acknowledges and resolves."""

    def wants(self, notice: Notice) -> bool:
        """Takes all but reminders: an incident reminds by itself."""
        return not notice.is_reminder

    def send(self, errand: Errand) -> None:
        """Posts an event; a test opens an incident and ends it at once."""
        key = errand.secret("routing_key")
        made = event(errand.notice, key)
        post(errand.receiver.events_url, msgspec.json.encode(made), {}, errand.receiver)
        if errand.notice.status == "test":
            ended = {**made, "event_action": "resolve"}
            post(errand.receiver.events_url, msgspec.json.encode(ended), {}, errand.receiver)


def event(notice: Notice, routing_key: str) -> dict[str, object]:
    """Returns the event for a notice."""
    made: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": ACTIONS[notice.status],
        "dedup_key": f"pilothouse-{notice.group}",
    }
    if made["event_action"] != "trigger":
        return made
    first = notice.alerts[0] if notice.alerts else None
    made["client"] = "Pilothouse"
    made["payload"] = {
        "summary": headline(notice)[:MOST_SUMMARY],
        "source": first.labels.get("model", "pilothouse") if first else "pilothouse",
        "severity": notice.severity,
        "timestamp": datetime.fromtimestamp(notice.at_ms / MS_IN_S, UTC).isoformat(),
        "class": first.rule if first else "test",
        "custom_details": {"alerts": lines(notice)},
    }
    links = [{"href": told.link, "text": told.summary} for told in notice.alerts if told.link]
    if links:
        made["links"] = links[:10]
        made["client_url"] = links[0]["href"]
    return made
