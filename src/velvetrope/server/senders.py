"""Who carries messages to people, as the settings say."""

from velvetrope.delivery import SmtpSender, WebhookSender, parse_smtp_url
from velvetrope.server.settings import Settings
from velvetrope.userpools import Medium, MessageSender

__all__ = ["message_senders"]


def message_senders(settings: Settings) -> dict[Medium, MessageSender]:
    """A sender for each medium that is set up; messages of the others stay in the mailbox."""
    senders: dict[Medium, MessageSender] = {}
    if settings.smtp_url is not None and settings.mail_from is not None:
        senders["EMAIL"] = SmtpSender(parse_smtp_url(settings.smtp_url.reveal()), sender=settings.mail_from)
    if settings.sms_webhook_url is not None:
        senders["SMS"] = WebhookSender(settings.sms_webhook_url, token=settings.sms_webhook_token)
    return senders
