"""The way `email`: plain text by SMTP, secured by STARTTLS or TLS, with a login where one is configured.

Refuses to know mailboxes. Invariant: a password goes over a secured connection only, to a server whose
certificate was verified; no value can add a header (the standard library refuses line breaks in them).
"""

import smtplib
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from pilothouse.contracts.errors import PermissionDeniedError
from pilothouse.monitors.delivery.notice import Notice, headline, lines
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.delivery.way import DeliveryError, Errand
from pilothouse.network.reach import Allowed, anywhere, connect_allowed, public_only

__all__ = ["Email", "letter"]

PORTS = {"starttls": 587, "tls": 465, "none": 25}
MS_IN_S = 1000
FIRST_PERMANENT = 500
LONGEST_SUBJECT = 200


class Email:
    """Sends one letter for each notice."""

    def wants(self, notice: Notice) -> bool:
        """Takes all but acknowledgements."""
        return notice.status != "acknowledged"

    def send(self, errand: Errand) -> None:
        """Sends a letter."""
        receiver = errand.receiver
        try:
            with _connected(receiver) as server:
                if receiver.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if receiver.username is not None and receiver.security != "none":
                    server.login(receiver.username, errand.secret("password"))
                server.send_message(letter(errand))
        except (OSError, smtplib.SMTPException, PermissionDeniedError, ValueError) as error:
            raise _error_of(error, receiver) from None


class _Plain(smtplib.SMTP):
    """SMTP to an address that was judged first."""

    def __init__(self, host: str, port: int, *, allowed: Allowed, timeout: float) -> None:
        self._allowed = allowed
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect_allowed(host, port, timeout, self._allowed)


class _Secured(_Plain):
    """The same, TLS from the first byte on."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


def _connected(receiver: ReceiverSettings) -> smtplib.SMTP:
    port = receiver.smtp_port or PORTS[receiver.security]
    allowed = anywhere if receiver.allow_private else public_only
    kind = _Secured if receiver.security == "tls" else _Plain
    return kind(receiver.smtp_host or "", port, allowed=allowed, timeout=receiver.timeout_s)


def letter(errand: Errand) -> EmailMessage:
    """Returns the letter for a notice."""
    receiver, notice = errand.receiver, errand.notice
    made = EmailMessage()
    sender = receiver.sender or "pilothouse@localhost"
    made["Subject"] = " ".join(headline(notice).split())[:LONGEST_SUBJECT]
    made["From"] = sender
    made["To"] = ", ".join(receiver.to)
    made["Date"] = format_datetime(datetime.fromtimestamp(errand.now_ms / MS_IN_S, UTC))
    made["Message-ID"] = make_msgid(errand.delivery_id, domain=sender.rpartition("@")[2] or "localhost")
    made["Auto-Submitted"] = "auto-generated"
    # A thread for each group: what is told later answers the first letter.
    made["References"] = f"<{notice.group}@pilothouse>"
    made.set_content("\n".join(lines(notice) or [headline(notice)]) + "\n")
    return made


def _error_of(error: Exception, receiver: ReceiverSettings) -> DeliveryError:
    if isinstance(error, PermissionDeniedError):
        return DeliveryError("its address is private, and `allow_private` is not set", may_retry=False)
    if isinstance(error, TimeoutError):
        return DeliveryError(f"the mail server did not answer within {receiver.timeout_s:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryError("the mail server's certificate is not trusted")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError(f"the mail server refused the login ({error.smtp_code})", may_retry=False)
    if isinstance(error, smtplib.SMTPResponseException):
        is_final = error.smtp_code >= FIRST_PERMANENT
        return DeliveryError(f"the mail server answered {error.smtp_code}", may_retry=not is_final)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        is_final = all(code >= FIRST_PERMANENT for code in codes)
        said = ", ".join(map(str, codes))
        return DeliveryError(f"the mail server refused the addresses ({said})", may_retry=not is_final)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return DeliveryError(f"no letter was sent: {reason}")
