"""Every way of telling, by the name that the configuration uses.

Refuses to know how any of them works. Invariant: each way is listed here, once.
"""

from pilothouse.monitors.delivery.email import Email
from pilothouse.monitors.delivery.pagerduty import PagerDuty
from pilothouse.monitors.delivery.settings import Way as WayName
from pilothouse.monitors.delivery.slack import Slack
from pilothouse.monitors.delivery.way import Way
from pilothouse.monitors.delivery.webhook import Webhook

__all__ = ["WAYS"]

WAYS: dict[WayName, Way] = {
    "webhook": Webhook(),
    "slack": Slack(),
    "email": Email(),
    "pagerduty": PagerDuty(),
}
