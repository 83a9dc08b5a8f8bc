"""What user pools write to people: sent by SMTP, or kept in the mailbox; shown to the owner and to nobody else."""

import asyncio
import email
import email.policy
import re
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from aiosmtpd.smtp import SMTP, Envelope, Session
from typer.testing import CliRunner

from support.clients import aws_client
from support.mailbox import cognito, link_in, mailbox, sign_up
from support.running import RunningServer
from velvetrope.cli.main import _cli


class Postman:
    """An SMTP server in a thread of its own."""

    def __init__(self) -> None:
        self.arrived: list[EmailMessage] = []
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0)
        )
        self.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = server

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        with self._news:
            self.arrived.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self._news.notify_all()
        return "250 OK"

    def mail_to(self, address: str) -> EmailMessage:
        with self._news:
            assert self._news.wait_for(lambda: any(mail["To"] == address for mail in self.arrived), timeout=20)
        return next(mail for mail in self.arrived if mail["To"] == address)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def postman() -> Iterator[Postman]:
    postman = Postman()
    yield postman
    postman.stop()


def test_a_code_arrives_by_mail_and_lets_its_reader_in(tmp_path: Path, postman: Postman) -> None:
    environment = {"VELVETROPE_SMTP_URL": postman.url, "VELVETROPE_MAIL_FROM": "Example <no-reply@example.com>"}
    with RunningServer("serve", state_folder=tmp_path / "state", environment=environment) as server:
        client_id = sign_up(server, "anna")

        mail = postman.mail_to("anna@people.example")
        body = mail.get_body(("plain",))
        assert body is not None
        code = re.search(r"\d{6}", body.get_content())
        assert code is not None
        cognito(server).confirm_sign_up(ClientId=client_id, Username="anna", ConfirmationCode=code[0])

        assert mail["From"] == "Example <no-reply@example.com>"
        assert code[0] not in server.text


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"VELVETROPE_SMTP_URL": "smtp://localhost:25"}, "--mail-from go together"),
        ({"VELVETROPE_MAIL_FROM": "a@b.example"}, "VELVETROPE_SMTP_URL and --mail-from go together"),
        (
            {"VELVETROPE_SMTP_URL": "mail.example", "VELVETROPE_MAIL_FROM": "a@b.example"},
            "VELVETROPE_SMTP_URL: It looks",
        ),
        ({"VELVETROPE_SMTP_URL": "smtp://localhost", "VELVETROPE_MAIL_FROM": "nobody"}, "--mail-from: It looks like"),
        ({"VELVETROPE_SMS_WEBHOOK_URL": "http://sms.example/"}, "--sms-webhook-url: It looks like"),
        ({"VELVETROPE_SMS_WEBHOOK_TOKEN": "t"}, "VELVETROPE_SMS_WEBHOOK_TOKEN goes with --sms-webhook-url"),
    ],
)
def test_settings_that_cannot_be_meant_are_one_sentence(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    result = CliRunner().invoke(
        _cli, ["serve", "--state-folder", str(tmp_path / "state"), "--port", "0"], env=environment
    )

    assert result.exit_code == 1
    assert sentence in result.output
    assert not (tmp_path / "state").exists()


def test_the_owner_reads_messages_in_the_terminal(demo: RunningServer) -> None:
    sign_up(demo, "berta")

    result = mailbox(demo, "--to", "berta@people.example")

    assert result.exit_code == 0
    assert "mail to berta@people.example  kept here" in result.stdout
    assert re.search(r"  Your confirmation code is \d{6}\n", result.stdout)
    assert "berta@people.example" not in mailbox(demo, "--to", "nobody@people.example").stdout.replace("--to", "")


def test_another_key_than_the_owner_s_reads_nothing(demo: RunningServer) -> None:
    sign_up(demo, "cora")

    result = mailbox(demo, key=("AKIAVELVETROPETEST00", "another-0123456789"))

    assert result.exit_code == 1
    assert result.output == "velvetrope: The server did not accept this state folder's root key (403).\n"


def test_no_message_is_shown_for_a_senseless_limit(demo: RunningServer) -> None:
    assert mailbox(demo, "--limit", "0").output == "velvetrope: --limit 0: a number from 1 to 100.\n"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_velvetrope/messages", 403),
        ("POST", "/_velvetrope/mailbox/ticket", 403),
        ("POST", "/_velvetrope/messages", 405),
        ("GET", "/_velvetrope/mailbox/ticket", 405),
        ("GET", "/_velvetrope/mailbox", 403),
        ("GET", "/_velvetrope/mailbox?ticket=0123456789abcdef", 403),
    ],
)
def test_a_stranger_is_shown_nothing(demo: RunningServer, method: str, path: str, status: int) -> None:
    sign_up(demo, "dora")

    answer = requests.request(method, demo.url + path, timeout=10)

    assert answer.status_code == status
    assert "confirmation code" not in answer.text
    assert "people.example" not in answer.text


def test_a_link_opens_the_mailbox_in_one_browser(demo: RunningServer) -> None:
    sign_up(demo, "emma")
    link = link_in(mailbox(demo))
    browser, late = requests.Session(), requests.Session()

    first = browser.get(link, timeout=10)
    second = late.get(link, timeout=10)

    assert (first.status_code, first.url) == (200, f"{demo.url}/_velvetrope/mailbox")
    assert "emma@people.example" in first.text
    assert second.status_code == 403
    assert "was used already" in second.text
    cookie = first.history[0].headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert f"velvetrope-owner-{urlsplit(demo.url).port}=" in cookie
    assert first.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in first.headers["content-security-policy"]


def test_words_of_strangers_are_shown_as_words(demo: RunningServer) -> None:
    admin = aws_client(demo, "cognito-idp")
    pool_id = admin.create_user_pool(
        PoolName="people",
        AutoVerifiedAttributes=["email"],
        EmailVerificationMessage='{####} <script>alert(1)</script><a href="javascript:alert(2)">here</a> &lt;b&gt;',
    )["UserPool"]["Id"]
    client = admin.create_user_pool_client(UserPoolId=pool_id, ClientName="web")["UserPoolClient"]
    cognito(demo).sign_up(
        ClientId=client["ClientId"],
        Username="<img/src=x>",
        Password="Passw0rd!",
        UserAttributes=[{"Name": "email", "Value": "frida@people.example"}],
    )

    page = requests.get(link_in(mailbox(demo)), timeout=10).text

    assert "<script" not in page
    assert "alert(1)" not in page
    assert 'href="javascript' not in page
    assert "<img" not in page
    assert "&lt;img/src=x&gt;" in page
    assert "&lt;b&gt;" in page
