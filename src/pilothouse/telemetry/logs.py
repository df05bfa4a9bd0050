"""Structured logs: one JSON object a line, one file a process, rotated, with secrets taken out.

Refuses to know who logs. Invariant: no API key, bearer token or cookie reaches a log file.
"""

import logging
import re
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

import msgspec

__all__ = ["JsonLines", "configure_logging", "redact"]

MOST_FILE_BYTES = 10 * 1024 * 1024
KEPT_FILES = 3
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""Attributes of each record; any other came in through `extra=` and is logged as a field."""

SECRETS = re.compile(
    r"""(?ix)
    (?P<kept> \b(?:authorization|proxy-authorization|x-api-key|api-key|cookie|set-cookie|pilothouse_session
              |password|secret|token)\b ["']? \s* [:=] \s* ["']? (?:(?:bearer|basic)\s+)? )
    [^\s"',;&\\{}\[\]]+
    | \b(?: ph_[A-Za-z0-9_-]{8,} | sk-[A-Za-z0-9_-]{8,} | gsk_[A-Za-z0-9]{8,} | hf_[A-Za-z0-9]{8,} )
    | \b bearer \s+ [A-Za-z0-9._~+/=-]{8,}
    """
)

_encode = msgspec.json.Encoder(enc_hook=str, order=None).encode


def redact(text: str) -> str:
    """Returns `text` with what looks like a credential replaced by `[redacted]`."""
    return SECRETS.sub(lambda match: f"{match['kept'] or ''}[redacted]", text)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as JSON, without secrets."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return redact(_encode(line).decode())


def configure_logging(process: str, folder: str, *, level: int = logging.INFO) -> None:
    """Sends all logging of this process to `<folder>/<process>.log` as JSON lines, rotated at 10 MiB."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        f"{folder}/{process}.log", maxBytes=MOST_FILE_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
    )
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
