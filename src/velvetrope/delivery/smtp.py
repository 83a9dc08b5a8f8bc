"""Mail by SMTP.

    smtps://user:password@mail.example:465     TLS from the first byte
    smtp://user:password@mail.example:587      STARTTLS, required
    smtp://localhost:1025                      no TLS: only to this machine

A server that offers no TLS is refused, since the messages hold codes; only loopback may go without. Text goes out as
HTML, as Cognito's does, with the plain words beside it. The Message-ID is made from the message's own id, so that a
message sent twice is one to the reader.

Sources: RFC 5321 (4.2.1: replies 4yz are worth another try, 5yz are not), RFC 8314 (implicit TLS on 465).
"""

import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses, parseaddr
from urllib.parse import unquote, urlsplit

from velvetrope.delivery.outcomes import LOOPBACK_HOSTS, DeliverySettingRefused, Undelivered
from velvetrope.delivery.plain_text import plain_text_of
from velvetrope.secret import Secret

__all__ = ["SmtpSender", "SmtpServer", "parse_sender_address", "parse_smtp_url"]

_PORTS = {"smtp": 587, "smtps": 465}
_TIMEOUT_SECONDS = 30.0
_PERMANENT_REPLIES = range(500, 600)
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in. `implicit_tls` is TLS from the first byte; else STARTTLS, required but on loopback."""

    host: str
    port: int
    implicit_tls: bool
    username: str | None = None
    password: Secret[str] | None = field(default=None, repr=False)

    @property
    def needs_start_tls(self) -> bool:
        return not self.implicit_tls and self.host not in LOOPBACK_HOSTS


def parse_smtp_url(url: str) -> SmtpServer:
    """The server that `smtp[s]://[user:password@]host[:port]` names. User and password may be percent-encoded.

    Raises:
        DeliverySettingRefused: it has another form.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or (parts.username is None) != (parts.password is None)
    ):
        raise DeliverySettingRefused("It looks like smtps://user:password@mail.example:465 or smtp://localhost:1025.")
    return SmtpServer(
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        implicit_tls=parts.scheme == "smtps",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else Secret(unquote(parts.password)),
    )


def parse_sender_address(text: str) -> str:
    """`text` if it can stand behind `From:`, as `no-reply@example.com` or `Name <no-reply@example.com>`.

    Raises:
        DeliverySettingRefused: it is no address, or more than one.
    """
    found = getaddresses([text])
    if any(ord(character) < 32 for character in text) or len(found) != 1 or _ADDRESS.fullmatch(found[0][1]) is None:
        raise DeliverySettingRefused("It looks like no-reply@example.com or 'Example <no-reply@example.com>'.")
    return text


class SmtpSender:
    """Hands mail to one server."""

    def __init__(self, server: SmtpServer, *, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(
        self,
        *,
        message_id: str,
        to: str,
        subject: str,
        text: str,
        sender: str | None = None,
        reply_to: str | None = None,
    ) -> Undelivered | None:
        """None when the server has taken the mail over. `sender` stands in for the one that was set up."""
        import aiosmtplib

        if _ADDRESS.fullmatch(to) is None:
            return Undelivered("the destination is no mail address", permanent=True)
        server = self._server
        try:
            await aiosmtplib.send(
                _render(message_id, sender or self._sender, reply_to, to, subject, text),
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=None if server.password is None else server.password.reveal(),
                use_tls=server.implicit_tls,
                start_tls=server.needs_start_tls,
                timeout=_TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as err:
            codes = [refused.code for refused in err.recipients]
            permanent = all(code in _PERMANENT_REPLIES for code in codes)
            return Undelivered(f"{server.host} refused the recipient ({codes[0]})", permanent=permanent)
        except aiosmtplib.SMTPAuthenticationError as err:
            # Somebody may mend the password meanwhile, and the message is not at fault.
            return Undelivered(f"{server.host} refused our user name and password ({err.code})", permanent=False)
        except aiosmtplib.SMTPResponseException as err:
            return Undelivered(f"{server.host} answered {err.code}", permanent=err.code in _PERMANENT_REPLIES)
        except (aiosmtplib.SMTPException, OSError) as err:
            return Undelivered(f"{server.host} could not be reached: {type(err).__name__}", permanent=False)
        return None


def _render(message_id: str, sender: str, reply_to: str | None, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    if reply_to is not None:
        message["Reply-To"] = reply_to
    message["To"] = to
    message["Subject"] = " ".join(subject.split())
    message["Message-ID"] = f"<{message_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: nobody's machine should answer it
    message.set_content(plain_text_of(text))
    message.add_alternative(text, subtype="html")
    return message
