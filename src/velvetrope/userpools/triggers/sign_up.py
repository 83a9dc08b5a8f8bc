"""The triggers around becoming a user: before a sign-up, and after a confirmation.

Before a sign-up the pool's function may refuse it, confirm the user at once, or take their addresses to be verified.
After a confirmation it is only told; a failure is the caller's answer then, and the user stays confirmed, as on AWS.

Source: Cognito Developer Guide, "Pre sign-up Lambda trigger", "Post confirmation Lambda trigger".
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from velvetrope.store.tables.userpools import User
from velvetrope.userpools.errors import InvalidLambdaResponseException
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.triggers.invocations import Nothing, Occasion, Triggers, user_attributes

__all__ = ["SignUpTriggers", "SignUpVerdict"]


class SignUpVerdict(msgspec.Struct, frozen=True, rename="camel"):
    """What the pool's function has decided of a sign-up."""

    auto_confirm_user: bool = False
    auto_verify_email: bool = False
    auto_verify_phone: bool = False

    @property
    def verified_addresses(self) -> tuple[str, ...]:
        """The attributes that are taken to be verified: `email`, `phone_number`."""
        decided = {"email": self.auto_verify_email, "phone_number": self.auto_verify_phone}
        return tuple(address for address, verified in decided.items() if verified)

    def mark_verified(self, attributes: dict[str, str]) -> None:
        """Say so in the attributes of the user to be; of other addresses that they are not, where nothing is said."""
        for address in self.verified_addresses:
            attributes[f"{address}_verified"] = "true"
        for address in ("email", "phone_number"):
            if address in attributes:
                attributes.setdefault(f"{address}_verified", "false")


class SignUpTriggers:
    """Asks both."""

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers

    async def pre_sign_up(
        self,
        source: Literal["PreSignUp_SignUp", "PreSignUp_AdminCreateUser", "PreSignUp_ExternalProvider"],
        occasion: Occasion,
        attributes: Mapping[str, str],
        validation_data: Sequence[AttributeType],
    ) -> SignUpVerdict:
        """What to do with somebody who would have these attributes.

        Raises:
            UserLambdaValidationException and its siblings: the sign-up is refused.
        """
        request: dict[str, object] = {
            "userAttributes": dict(attributes),
            "validationData": {one.name: one.value for one in validation_data} or None,
        }
        blank = {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False}
        verdict = await self._triggers.ask("PreSignUp", source, occasion, request, blank, SignUpVerdict)
        if verdict is None:
            return SignUpVerdict()
        for address in verdict.verified_addresses:
            if address not in attributes:
                raise InvalidLambdaResponseException(
                    "Unrecognizable lambda output", detail=f"it verifies a {address} that is not there"
                )
        return verdict

    async def post_confirmation(
        self,
        source: Literal["PostConfirmation_ConfirmSignUp", "PostConfirmation_ConfirmForgotPassword"],
        occasion: Occasion,
        user: User,
    ) -> None:
        """
        Raises:
            UserLambdaValidationException and its siblings: the function failed.
        """
        request = {"userAttributes": user_attributes(user)}
        await self._triggers.ask("PostConfirmation", source, occasion, request, {}, Nothing)
