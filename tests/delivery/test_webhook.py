"""Text messages, posted to a real HTTP server in this process."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from velvetrope.delivery import DeliverySettingRefused, Undelivered, WebhookSender, check_webhook_url
from velvetrope.secret import Secret


class Carrier:
    """Takes messages, or answers with another status."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], str | None]] = []
        self.status = 204
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((await request.json(), request.headers.get("Authorization")))
        return web.Response(status=self.status, headers={"Location": f"{self.url}/elsewhere"})


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    carrier = Carrier()
    app = web.Application()
    app.router.add_post("/{tail:.*}", carrier.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    carrier.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield carrier
    await runner.cleanup()


async def send(carrier: Carrier, token: Secret[str] | None = None) -> Undelivered | None:
    sender = WebhookSender(f"{carrier.url}/send", token=token)
    return await sender.send(message_id="m-1", to="+15555550100", subject="unused", text="Your code is 123456")


async def test_a_message_is_posted_with_the_token(carrier: Carrier) -> None:
    assert await send(carrier, Secret("s3cret")) is None

    message = {"id": "m-1", "to": "+15555550100", "message": "Your code is 123456"}
    assert carrier.taken == [(message, "Bearer s3cret")]


async def test_without_a_token_nothing_is_claimed(carrier: Carrier) -> None:
    assert await send(carrier) is None
    assert carrier.taken[0][1] is None


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (403, True), (408, False), (429, False), (500, False), (503, False)]
)
async def test_another_status_is_told(carrier: Carrier, status: int, permanent: bool) -> None:
    carrier.status = status

    assert await send(carrier) == Undelivered(f"127.0.0.1 answered {status}", permanent=permanent)


async def test_a_redirect_is_not_followed(carrier: Carrier) -> None:
    carrier.status = 307

    assert await send(carrier) == Undelivered("127.0.0.1 answered 307", permanent=True)
    assert len(carrier.taken) == 1


async def test_nobody_there_is_worth_another_try() -> None:
    outcome = await WebhookSender("http://127.0.0.1:1/").send(message_id="m", to="+1", subject="", text="x")

    assert outcome is not None
    assert not outcome.permanent


@pytest.mark.parametrize("url", ["https://sms.example/send", "http://localhost:9000/x", "http://127.0.0.1/x"])
def test_a_url_with_tls_or_of_this_machine_is_taken(url: str) -> None:
    check_webhook_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "sms.example", "http://sms.example/send", "ftp://localhost/", "https://user:pw@sms.example/", "http://["],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(DeliverySettingRefused):
        check_webhook_url(url)
