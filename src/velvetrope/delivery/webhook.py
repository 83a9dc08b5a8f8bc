"""Text messages by a webhook: whatever service you have for them stands behind one URL.

Each message is one POST of JSON, `{"id": "…", "to": "+15555550100", "message": "…"}`, with `Authorization: Bearer …`
if a token is set. A 2xx answer means that it was taken over. `id` stays the same when a message is tried again. TLS is
required but to this machine; redirects are not followed, since they would take the codes elsewhere.
"""

from urllib.parse import urlsplit

from velvetrope.delivery.outcomes import LOOPBACK_HOSTS, DeliverySettingRefused, Undelivered
from velvetrope.secret import Secret

__all__ = ["WebhookSender", "check_webhook_url"]

_TIMEOUT_SECONDS = 15.0
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


def check_webhook_url(url: str) -> None:
    """See that `url` is one that a message with a code may be sent to.

    Raises:
        DeliverySettingRefused: it is not https, and not of this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    plain_and_near = parts.scheme == "http" and host in LOOPBACK_HOSTS
    if not host or not (parts.scheme == "https" or plain_and_near) or parts.username is not None or parts.fragment:
        raise DeliverySettingRefused(
            "It looks like https://sms.example/send; plain http goes to this machine only, and a password has no place "
            "in it (set VELVETROPE_SMS_WEBHOOK_TOKEN)."
        )


class WebhookSender:
    """Hands messages to one URL, which `check_webhook_url` has passed."""

    def __init__(self, url: str, *, token: Secret[str] | None = None) -> None:
        self._url = url
        self._token = token

    async def send(
        self,
        *,
        message_id: str,
        to: str,
        subject: str,  # noqa: ARG002  a text message has no subject
        text: str,
        sender: str | None = None,  # noqa: ARG002  nor a sender of a pool's own
        reply_to: str | None = None,  # noqa: ARG002
    ) -> Undelivered | None:
        """None when the other side has taken the message over."""
        import aiohttp

        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token.reveal()}"}
        host = urlsplit(self._url).hostname
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)) as client,
                client.post(
                    self._url,
                    json={"id": message_id, "to": to, "message": text},
                    headers=headers,
                    allow_redirects=False,
                ) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as err:
            return Undelivered(f"{host} could not be reached: {type(err).__name__}", permanent=False)
        if 200 <= status < 300:
            return None
        return Undelivered(f"{host} answered {status}", permanent=status < 500 and status not in _WORTH_ANOTHER_TRY)
