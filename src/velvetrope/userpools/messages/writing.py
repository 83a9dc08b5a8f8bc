"""Messages with codes and invitations, in the words of the pool or of its custom message function.

    delivery = await writer.code(pool, user, CodeOccasion("forgot_password", "CustomMessage_ForgotPassword"), "email",
                                 occasion, now=now)

The custom message trigger is asked for each message. Its words have to hold the placeholder of the code (`{####}`), and
an invitation's that of the user's name besides: a message without them would send nobody anywhere, so AWS refuses it,
and so do we. Nothing is kept here: the caller keeps code and message in the transaction of the change they belong to.

Where a function sends the pool's messages itself (`custom_senders`) nobody asks for words (UNVERIFIED that AWS does
not either).

Source: Cognito Developer Guide, "Custom message Lambda trigger".
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import OutgoingMessage, User, UserPool
from velvetrope.userpools.errors import InvalidLambdaResponseException, InvalidParameterException
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.confirmation_links import LINK, LINK_PARAMETER
from velvetrope.userpools.messages.custom_senders import sender_of
from velvetrope.userpools.messages.outbox import (
    NO_WORDS,
    Address,
    Addressed,
    CodeDelivery,
    CodeOccasion,
    Medium,
    Outbox,
    Words,
)
from velvetrope.userpools.triggers.invocations import Occasion, Triggers, user_attributes

__all__ = ["MessageWriter"]

_CODE = "{####}"
_USERNAME = "{username}"
_ADDRESS_OF: dict[str, Address] = {"EMAIL": "email", "SMS": "phone_number"}


class MessageWriter:
    """Writes what is to be sent."""

    def __init__(self, outbox: Outbox, triggers: Triggers, limits: CallLimits) -> None:
        self._outbox = outbox
        self._limits = limits
        self._triggers = triggers

    async def code(
        self, user: User, about: CodeOccasion, address: Address, occasion: Occasion, *, destination: str | None = None
    ) -> CodeDelivery:
        """A new code to one of the user's addresses; `destination` where it goes to an address that is not theirs yet.

        Raises:
            LimitExceededException: an app has had too many sent to an address that nobody has proven (`call_limits`).
            UserLambdaValidationException and its siblings: the pool's function failed, or its words lack the code.
        """
        to = user.attributes[address] if destination is None else destination
        if occasion.client_id is not None and not (destination is None and _is_proven(user, address)):
            await self._limits.take_for_address(occasion.pool, to, now=occasion.now)
        by_link = self._outbox.confirms_by_link(occasion.pool, about, address)
        words = await self._words(user, about.source, address, occasion, needed=(_CODE,), by_link=by_link)
        addressed = _addressed(user, address, to, words, occasion)
        return self._outbox.code(occasion.pool, addressed, about, now=occasion.now)

    async def invitations(
        self, user: User, mediums: Collection[str], occasion: Occasion, *, temporary_password: Secret[str] | None
    ) -> list[OutgoingMessage]:
        """One per medium asked for (EMAIL, SMS); unasked, to the phone if there is one, else to the mail address.

        Raises:
            InvalidParameterException: the user has no such address.
            UserLambdaValidationException and its siblings: as `invitation`.
        """
        if not mediums:
            mediums = [medium for medium, address in _ADDRESS_OF.items() if address in user.attributes][-1:]
        missing = [_ADDRESS_OF[medium] for medium in mediums if _ADDRESS_OF[medium] not in user.attributes]
        if missing:
            # Text UNVERIFIED.
            raise InvalidParameterException(f"The user has no {missing[0]} to which an invitation could be sent.")
        return [
            await self.invitation(user, _ADDRESS_OF[medium], occasion, temporary_password=temporary_password)
            for medium in mediums
        ]

    async def invitation(
        self, user: User, address: Address, occasion: Occasion, *, temporary_password: Secret[str] | None
    ) -> OutgoingMessage:
        """The message to somebody whom an administrator has signed up; None for who has no password.

        Raises:
            UserLambdaValidationException and its siblings: as `code`, and for words without the user's name.
        """
        needed = (_USERNAME,) if temporary_password is None else (_CODE, _USERNAME)
        words = await self._words(user, "CustomMessage_AdminCreateUser", address, occasion, needed=needed)
        addressed = _addressed(user, address, user.attributes[address], words, occasion)
        return self._outbox.invitation(
            occasion.pool, addressed, temporary_password=temporary_password, now=occasion.now
        )

    async def send_sign_in_code(
        self,
        pool: UserPool,
        user: User | None,
        *,
        medium: Medium,
        code: Secret[str],
        client_id: str,
        client_metadata: Mapping[str, str] | None,
        now: datetime,
    ) -> None:
        """Write and keep the message with a sign-in's code; without a user do the same work and keep nothing.

        Raises:
            LimitExceededException, UserLambdaValidationException and its siblings: as `code`.
        """
        address = _ADDRESS_OF[medium]
        addressed = Addressed("", "", address, "")
        if user is not None and not _is_proven(user, address):
            await self._limits.take_for_address(pool, user.attributes[address], now=now)
        if user is not None:
            occasion = Occasion(pool, user.username, now, client_id, client_metadata)
            words = await self._words(user, "CustomMessage_Authentication", address, occasion, needed=(_CODE,))
            addressed = _addressed(user, address, user.attributes[address], words, occasion)
        await self._outbox.send_sign_in_code(pool, addressed, code=code, to_nobody=user is None, now=now)

    def seeming_code(self, pool: UserPool, about: CodeOccasion, address: Address, *, now: datetime) -> CodeDelivery:
        """Code and message to a user who is not there: the time it takes says nothing, and the code is nobody's."""
        return self._outbox.code(pool, Addressed("", "", address, ""), about, now=now)

    async def _words(
        self,
        user: User,
        source: str,
        address: Address,
        occasion: Occasion,
        *,
        needed: tuple[str, ...],
        by_link: bool = False,
    ) -> Words:
        """`by_link`: a link in place of the code is enough (`{##text##}`)."""
        if sender_of(occasion.pool, "EMAIL" if address == "email" else "SMS") is not None:
            return NO_WORDS
        request = {
            "userAttributes": user_attributes(user),
            "codeParameter": _CODE,
            "linkParameter": LINK_PARAMETER,
            "usernameParameter": _USERNAME if _USERNAME in needed else None,
        }
        blank = {"smsMessage": None, "emailMessage": None, "emailSubject": None}
        words = await self._triggers.ask("CustomMessage", source, occasion, request, blank, Words)
        for text in (words.sms_message, words.email_message) if words is not None else ():
            linked = by_link and text is not None and LINK.search(text) is not None
            if text is not None and not linked and any(placeholder not in text for placeholder in needed):
                raise InvalidLambdaResponseException(
                    "Unrecognizable lambda output", detail=f"the message lacks one of {', '.join(needed)}"
                )
        return words or NO_WORDS


def _is_proven(user: User, address: Address) -> bool:
    return user.attributes.get(f"{address}_verified") == "true"


def _addressed(user: User, address: Address, destination: str, words: Words, occasion: Occasion) -> Addressed:
    return Addressed(
        user.username,
        user.sub,
        address,
        destination,
        words,
        occasion.client_id or "",
        user_attributes(user),
        occasion.client_metadata,
    )
