"""Sending messages to people: mail by SMTP, text messages by a webhook.

    mail = SmtpSender(parse_smtp_url("smtps://user:password@mail.example:465"), sender="no-reply@example.com")
    failed = await mail.send(message_id="…", to="someone@example.com", subject="…", text="…")

Whoever has messages declares the protocol; these are the objects behind it. They keep nothing, try once and say how it
went: None, or `Undelivered`, whose reason names neither the text nor its codes. When to try again is the caller's to
decide.
"""

from velvetrope.delivery.outcomes import DeliverySettingRefused, Undelivered
from velvetrope.delivery.plain_text import plain_text_of
from velvetrope.delivery.smtp import SmtpSender, SmtpServer, parse_sender_address, parse_smtp_url
from velvetrope.delivery.webhook import WebhookSender, check_webhook_url

__all__ = [
    "DeliverySettingRefused",
    "SmtpSender",
    "SmtpServer",
    "Undelivered",
    "WebhookSender",
    "check_webhook_url",
    "parse_sender_address",
    "parse_smtp_url",
    "plain_text_of",
]
