"""Messages that are to be sent: written down with the change they belong to, read by the owner of the server.

Nothing is sent from here (see `deliveries`). A message is kept sealed under the master keys, since it holds a code or a
temporary password; the code itself is kept with the user as a keyed hash only. Messages are forgotten after a week.

A pool with a custom sender for a medium has its messages of that medium sent by a function: an order for it is kept in
place of words (`custom_senders`), and not even the owner is shown what it holds.

Texts are the pool's own templates, or AWS's defaults, with `{####}` and `{username}` filled in. In a pool that confirms
by link, the mail of a sign-up has a link with the code in it instead (`confirmation_links`).

Source: Cognito Developer Guide, "Configuring verification and invitation messages".
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Final, Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import CodePurpose, OutgoingMessage, StoredCode, UserPool, UserPoolStore
from velvetrope.userpools.messages.confirmation_links import ConfirmationLinks, link_words
from velvetrope.userpools.messages.custom_senders import SenderOrder, sender_of

__all__ = [
    "NO_WORDS",
    "Address",
    "Addressed",
    "CodeDelivery",
    "CodeOccasion",
    "Medium",
    "Outbox",
    "ReadableMessage",
    "Words",
    "delivery_details",
    "mask",
]

Medium = Literal["EMAIL", "SMS"]
Address = Literal["email", "phone_number"]

_DAY = timedelta(hours=24)
_LIFETIMES: dict[CodePurpose, timedelta] = {
    "sign_up": _DAY,
    "forgot_password": timedelta(hours=1),
    "verify_email": _DAY,
    "verify_phone_number": _DAY,
}
"""Source: Cognito Developer Guide, "Quotas": code validity."""
_CODE_DIGITS = 6
_PLACEHOLDER: Final = re.compile(r"\{username\}|\{####\}")
_MESSAGE = "userpools.message"
_CODE = "userpools.code"
_CODE_TEXT = "Your confirmation code is {####}"
_CODE_SUBJECT = "Your verification code"
_SIGN_IN_TEXT = "Your authentication code is {####}."
_SIGN_IN_SUBJECT = "Your authentication code"
_INVITATION_TEXT = "Your username is {username} and temporary password is {####}."
_INVITATION_SUBJECT = "Your temporary password"
_WELCOME_TEXT = "Your username is {username}."
_WELCOME_SUBJECT = "Your new account"
_SENT_BY = "Sent by {function}. What it says is for that function alone."


@dataclass(frozen=True, slots=True)
class ReadableMessage:
    """A message as its receiver would see it."""

    to: str
    medium: Medium
    kind: str
    username: str
    subject: str
    text: str = field(repr=False)
    written_at: datetime


class Words(msgspec.Struct, frozen=True, rename="camel"):
    """What a function of the pool has said instead of the pool's templates; None where it said nothing."""

    sms_message: str | None = None
    email_message: str | None = None
    email_subject: str | None = None


NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Addressed:
    """Whom a message is for, and where it goes."""

    username: str
    sub: str
    address: Address
    destination: str
    words: Words = NO_WORDS
    client_id: str = ""
    """The app client that they came through, for links and for custom senders."""
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a custom sender is told of the user."""
    client_metadata: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CodeOccasion:
    """What a code is for. `source` is the custom message trigger's name for it; `pending_value` what it will prove."""

    purpose: CodePurpose
    source: str
    pending_value: str | None = None


@dataclass(frozen=True, slots=True)
class CodeDelivery:
    """A code on its way, in the forms in which it is kept, and what the caller is told about it."""

    code: StoredCode
    message: OutgoingMessage
    details: dict[str, object]


class _Body(msgspec.Struct, frozen=True):
    subject: str
    text: str
    order: SenderOrder | None = None


class Outbox:
    """Writes messages for the store to keep, and reads them for the owner."""

    def __init__(
        self, store: UserPoolStore, master_keys: MasterKeys, entropy: Entropy, *, pages_url: str | None = None
    ) -> None:
        """`pages_url` is where people reach the hosted pages."""
        self._links = ConfirmationLinks(pages_url)
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy

    def code(self, pool: UserPool, addressed: Addressed, occasion: CodeOccasion, *, now: datetime) -> CodeDelivery:
        """A new code for somebody, in the pool's words or those that a function of the pool has found.

        Raises:
            InvalidParameterException: the pool confirms by link, and has no pages to link to.
        """
        digits = self._new_code()
        if self.confirms_by_link(pool, occasion, addressed.address):
            words = addressed.words
            subject, text = link_words(pool, subject=words.email_subject, message=words.email_message)
            text = self._links.filled(text, pool, addressed.client_id, addressed.username, digits)
        else:
            subject, text = self._code_words(pool, addressed)
        return CodeDelivery(
            code=StoredCode(
                purpose=occasion.purpose,
                mac=self._mac(pool, addressed.sub, occasion.purpose, digits, self._master_keys.current),
                key_id=self._master_keys.current,
                expires_at=now + _LIFETIMES[occasion.purpose],
                proves=addressed.address,
                sent_to=addressed.destination,
                pending_value=occasion.pending_value,
            ),
            message=self._message(
                pool,
                addressed,
                occasion.source,
                _Body(subject, _filled(text, digits, addressed)),
                code=digits,
                now=now,
            ),
            details=delivery_details(addressed.address, addressed.destination),
        )

    def confirms_by_link(self, pool: UserPool, occasion: CodeOccasion, address: Address) -> bool:
        """Whether a link is sent in place of a code.

        UNVERIFIED that AWS's setting reaches no further than sign-ups; a changed address is verified with a code here.
        """
        by_link = pool.verification_message_template.default_email_option == "CONFIRM_WITH_LINK"
        by_link = by_link and sender_of(pool, "EMAIL") is None  # whose event has a place for a code only
        return by_link and occasion.purpose == "sign_up" and address == "email"

    def _code_words(self, pool: UserPool, addressed: Addressed) -> tuple[str, str]:
        template, words = pool.verification_message_template, addressed.words
        subject = words.email_subject or template.email_subject or pool.email_verification_subject or _CODE_SUBJECT
        if addressed.address == "email":
            own = words.email_message or template.email_message or pool.email_verification_message
        else:
            own = words.sms_message or template.sms_message or pool.sms_verification_message
        return subject, own or _CODE_TEXT

    def invitation(
        self, pool: UserPool, addressed: Addressed, *, temporary_password: Secret[str] | None, now: datetime
    ) -> OutgoingMessage:
        """The message to somebody whom an administrator has signed up.

        Without a password its place in the pool's own words stays empty, and AWS's default words speak of none
        (UNVERIFIED: what AWS says to who has none).
        """
        template, words = pool.admin_create_user_config.invite_message_template, addressed.words
        usual_subject = _INVITATION_SUBJECT if temporary_password else _WELCOME_SUBJECT
        subject = words.email_subject or (template and template.email_subject) or usual_subject
        if addressed.address == "email":
            own = words.email_message or (template and template.email_message)
        else:
            own = words.sms_message or (template and template.sms_message)
        usual = _INVITATION_TEXT if temporary_password else _WELCOME_TEXT
        code = None if temporary_password is None else temporary_password.reveal()
        body = _Body(subject, _filled(own or usual, code or "", addressed))
        return self._message(pool, addressed, "CustomMessage_AdminCreateUser", body, code=code, now=now)

    async def send_sign_in_code(
        self, pool: UserPool, addressed: Addressed, *, code: Secret[str], to_nobody: bool, now: datetime
    ) -> None:
        """Write the message with the code; one to nobody takes the same work and is not kept (`one_time_codes`)."""
        words = addressed.words
        if addressed.address == "email":
            text = words.email_message or pool.email_mfa.message or _SIGN_IN_TEXT
        else:
            text = words.sms_message or pool.sms_authentication_message or _SIGN_IN_TEXT
        subject = words.email_subject or pool.email_mfa.subject or _SIGN_IN_SUBJECT
        body = _Body(subject, _filled(text, code.reveal(), addressed))
        message = self._message(pool, addressed, "CustomMessage_Authentication", body, code=code.reveal(), now=now)
        await self._store.queue_message(message, to_nobody=to_nobody)

    def code_matches(self, pool: UserPool, sub: str, kept: StoredCode, presented: str) -> bool:
        """Whether `presented` is the code; compares in constant time. How often one may ask is the store's to count."""
        return hmac.compare_digest(self._mac(pool, sub, kept.purpose, presented, kept.key_id), kept.mac)

    async def messages(self, user_pool_id: str, *, limit: int = 100) -> list[ReadableMessage]:
        """The newest messages of a pool, newest first. For the owner of the server: they hold codes and passwords."""
        return [self.read(message) for message in await self._store.load_messages(user_pool_id, limit=limit)]

    def _message(
        self, pool: UserPool, addressed: Addressed, kind: str, body: _Body, *, code: str | None, now: datetime
    ) -> OutgoingMessage:
        message_id, medium = new_uuid(self._entropy), _medium(addressed.address)
        function_arn = sender_of(pool, medium)
        if function_arn is not None:
            body = _Body("", "", _order(pool, addressed, function_arn, kind, code))
        return OutgoingMessage(
            id=message_id,
            user_pool_id=pool.id,
            username=addressed.username,
            medium=medium,
            destination=addressed.destination,
            kind=kind,
            body_sealed=self._master_keys.seal(
                msgspec.json.encode(body), purpose=_MESSAGE, entropy=self._entropy, context=message_id.encode()
            ),
            created_at=now,
            sender=pool.email_configuration.from_ if addressed.address == "email" else None,
            reply_to=pool.email_configuration.reply_to_email_address if addressed.address == "email" else None,
            function_arn=function_arn,
        )

    def read(self, message: OutgoingMessage) -> ReadableMessage:
        """A kept message, opened. For whoever sends it, and for the owner."""
        body = self._open(message)
        text = body.text if body.order is None else _SENT_BY.format(function=body.order.function_arn)
        return ReadableMessage(
            to=message.destination,
            medium=message.medium,
            kind=message.kind,
            username=message.username,
            subject=body.subject,
            text=text,
            written_at=message.created_at,
        )

    def read_order(self, message: OutgoingMessage) -> SenderOrder | None:
        """What a function is to send; None for a message that we send ourselves."""
        return self._open(message).order

    def _open(self, message: OutgoingMessage) -> _Body:
        opened = self._master_keys.open(message.body_sealed, purpose=_MESSAGE, context=message.id.encode())
        return msgspec.json.decode(opened, type=_Body)

    def _new_code(self) -> str:
        # 64 random bits modulo a million: the bias is one in ten to the thirteenth.
        return f"{int.from_bytes(self._entropy.token_bytes(8)) % 10**_CODE_DIGITS:0{_CODE_DIGITS}d}"

    def _mac(self, pool: UserPool, sub: str, purpose: CodePurpose, code: str, key_id: bytes) -> bytes:
        info = f"{pool.id}|{sub}|{purpose}|{code}".encode()
        return self._master_keys.derive(purpose=_CODE, info=info, key_id=key_id)


def delivery_details(address: Address, destination: str) -> dict[str, object]:
    """CodeDeliveryDetailsType."""
    return {"attribute_name": address, "delivery_medium": _medium(address), "destination": mask(destination)}


def mask(destination: str) -> str:
    """The address as a caller is shown it: `j***@e***`, `+*******1234`."""
    if "@" in destination:
        name, _, host = destination.partition("@")
        return f"{name[:1]}***@{host[:1]}***"
    return f"+{'*' * max(0, len(destination) - 5)}{destination[-4:]}"


def _medium(address: Address) -> Medium:
    return "EMAIL" if address == "email" else "SMS"


def _filled(text: str, code: str, addressed: Addressed) -> str:
    """The template with the code and the name in it.

    Mail is HTML and the name is a stranger's: `<img/src=//…?{####}>` would send the code to whoever chose it. So both
    are escaped there, and what was filled in is not looked through again.
    """
    shown = {"{username}": addressed.username, "{####}": code}
    if addressed.address == "email":
        shown = {placeholder: escape(value) for placeholder, value in shown.items()}
    return _PLACEHOLDER.sub(lambda found: shown[found[0]], text)


def _order(pool: UserPool, addressed: Addressed, function_arn: str, kind: str, code: str | None) -> SenderOrder:
    return SenderOrder(
        function_arn=function_arn,
        key_arn=pool.lambda_config.kms_key_id or "",
        medium=_medium(addressed.address),
        occasion=kind.removeprefix("CustomMessage_"),
        account_id=pool.account_id,
        region=pool.region,
        user_pool_id=pool.id,
        username=addressed.username,
        client_id=addressed.client_id or None,
        client_metadata=None if addressed.client_metadata is None else dict(addressed.client_metadata),
        attributes={**addressed.attributes, addressed.address: addressed.destination},
        code=code,
    )
