"""Mail, handed in at a real SMTP server in this process."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from velvetrope.delivery import (
    DeliverySettingRefused,
    SmtpSender,
    SmtpServer,
    Undelivered,
    parse_sender_address,
    parse_smtp_url,
)
from velvetrope.edge.tls import ensure_certificates, names_for
from velvetrope.server.machine import SystemClock

SENDER = "Example <no-reply@example.com>"


class Postman:
    """Takes mail, or answers what it was told to."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answer = "250 OK"
        self.answer_to_recipient = "250 OK"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.answer_to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_to_recipient

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.taken.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return self.answer


@pytest.fixture
def postman() -> Postman:
    return Postman()


@asynccontextmanager
async def listening(postman: Postman, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """An SMTP server, on a free port of loopback."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(postman, loop=loop), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def server(postman: Postman) -> AsyncIterator[SmtpServer]:
    async with listening(postman) as port:
        yield SmtpServer("127.0.0.1", port, implicit_tls=False)


async def send(server: SmtpServer, *, to: str = "anna@example.com", subject: str = "Your code") -> Undelivered | None:
    return await SmtpSender(server, sender=SENDER).send(
        message_id="11111111-2222-4333-8444-555555555555", to=to, subject=subject, text="It is <b>123456</b>"
    )


async def test_a_message_arrives_as_html_with_its_words_beside_it(server: SmtpServer, postman: Postman) -> None:
    assert await send(server) is None

    [mail] = postman.taken
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, "anna@example.com", "Your code")
    assert mail["Message-ID"] == "<11111111-2222-4333-8444-555555555555@example.com>"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == "It is 123456"
    assert html.get_content().strip() == "It is <b>123456</b>"


async def test_a_pool_may_say_whom_a_mail_is_from_and_where_answers_go(server: SmtpServer, postman: Postman) -> None:
    outcome = await SmtpSender(server, sender=SENDER).send(
        message_id="11111111-2222-4333-8444-555555555555",
        to="anna@example.com",
        subject="Your code",
        text="It is 123456",
        sender="People <no-reply@people.example>",
        reply_to="help@people.example",
    )

    assert outcome is None
    [mail] = postman.taken
    assert (mail["From"], mail["Reply-To"]) == ("People <no-reply@people.example>", "help@people.example")
    assert mail["Message-ID"] == "<11111111-2222-4333-8444-555555555555@people.example>"


async def test_a_subject_cannot_add_headers(server: SmtpServer, postman: Postman) -> None:
    assert await send(server, subject="Hello\r\nBcc: stranger@example.com") is None

    [mail] = postman.taken
    assert mail["Subject"] == "Hello Bcc: stranger@example.com"
    assert mail["Bcc"] is None


@pytest.mark.parametrize("to", ["anna", "a@b, c@d", "a@b\r\nBcc: c@d", "", "<a@b>"])
async def test_a_destination_is_one_address(server: SmtpServer, postman: Postman, to: str) -> None:
    assert await send(server, to=to) == Undelivered("the destination is no mail address", permanent=True)
    assert postman.taken == []


@pytest.mark.parametrize(("answer", "permanent"), [("451 Later", False), ("554 Never", True)])
async def test_what_the_server_refuses_is_told(
    server: SmtpServer, postman: Postman, answer: str, permanent: bool
) -> None:
    postman.answer = answer

    assert await send(server) == Undelivered(f"127.0.0.1 answered {answer[:3]}", permanent=permanent)


@pytest.mark.parametrize(("answer", "permanent"), [("450 Busy", False), ("550 Nobody", True)])
async def test_a_refused_recipient_is_told(server: SmtpServer, postman: Postman, answer: str, permanent: bool) -> None:
    postman.answer_to_recipient = answer

    assert await send(server) == Undelivered(f"127.0.0.1 refused the recipient ({answer[:3]})", permanent=permanent)


async def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    outcome = await send(SmtpServer("127.0.0.1", 1, implicit_tls=False))

    assert outcome is not None
    assert not outcome.permanent
    assert outcome.reason.startswith("127.0.0.1 could not be reached")


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(postman: Postman, tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, names_for(region="us-west-2", hosts=("localhost",)), now=SystemClock().now())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)

    async with listening(postman, context) as port:
        outcome = await send(SmtpServer("localhost", port, implicit_tls=True))

    assert outcome is not None
    assert not outcome.permanent
    assert postman.taken == []


async def test_start_tls_is_required_of_a_server_elsewhere(server: SmtpServer, postman: Postman) -> None:
    # The same server under a name that is not loopback's: it offers no STARTTLS.
    outcome = await send(SmtpServer("127.0.0.2", server.port, implicit_tls=False))

    assert outcome is not None
    assert postman.taken == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost:1025", SmtpServer("localhost", 1025, implicit_tls=False)),
        ("smtp://mail.example", SmtpServer("mail.example", 587, implicit_tls=False)),
        ("smtps://mail.example/", SmtpServer("mail.example", 465, implicit_tls=True)),
    ],
)
def test_a_url_names_a_server(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


def test_user_and_password_may_be_percent_encoded_and_are_not_shown() -> None:
    server = parse_smtp_url("smtps://no-reply%40example.com:p%2Fw%40d@mail.example:2465")

    assert server.username == "no-reply@example.com"
    assert server.password is not None
    assert server.password.reveal() == "p/w@d"
    assert "p/w@d" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        *("", "mail.example", "http://mail.example", "smtp://", "smtp://user@mail.example", "smtp://mail.example:port"),
        *("smtp://mail.example/path", "smtp://mail.example?x=1", "smtp://mail.example:70000", "smtp://[::1"),
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(DeliverySettingRefused):
        parse_smtp_url(url)


@pytest.mark.parametrize("text", ["", "nobody", "a@b, c@d", "Name <a@b>\nBcc: c@d", "@b", "a@"])
def test_a_sender_is_one_address(text: str) -> None:
    with pytest.raises(DeliverySettingRefused):
        parse_sender_address(text)
