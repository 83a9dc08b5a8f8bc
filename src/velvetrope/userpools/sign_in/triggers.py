"""The triggers before and after a sign-in.

Both may only say no, by failing. The pre authentication trigger is told whether there is such a user only where the
client hides it; elsewhere a missing user has been refused before.

Source: Cognito Developer Guide, "Pre authentication Lambda trigger", "Post authentication Lambda trigger".
"""

from collections.abc import Mapping

from velvetrope.store.tables.userpools import User
from velvetrope.userpools.triggers.invocations import Nothing, Triggers, function_of, user_attributes
from velvetrope.userpools.turns import Turn

__all__ = ["SignInTriggers"]


class SignInTriggers:
    """Asks both."""

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers

    async def pre_authentication(
        self, turn: Turn, username: str, user: User | None, validation_data: Mapping[str, str] | None
    ) -> None:
        """
        Raises:
            UserLambdaValidationException and its siblings: the sign-in is refused.
        """
        if function_of(turn.pool, "PreAuthentication") is None:
            return
        request: dict[str, object] = {
            "userAttributes": user_attributes(user),
            "validationData": None if validation_data is None else dict(validation_data),
        }
        if turn.client.hides_missing_users:
            request["userNotFound"] = user is None
        occasion = turn.occasion(username, with_metadata=False)
        source = "PreAuthentication_Authentication"
        await self._triggers.ask("PreAuthentication", source, occasion, request, {}, Nothing)

    @staticmethod
    def is_silent_after(turn: Turn) -> bool:
        """Whether `post_authentication` asks nobody."""
        return function_of(turn.pool, "PostAuthentication") is None

    async def post_authentication(self, turn: Turn, username: str, user: User, *, new_device_used: bool) -> None:
        """
        Raises:
            UserLambdaValidationException and its siblings: no tokens are issued.
        """
        if self.is_silent_after(turn):
            return
        request = {"userAttributes": user_attributes(user), "newDeviceUsed": new_device_used}
        source = "PostAuthentication_Authentication"
        await self._triggers.ask("PostAuthentication", source, turn.occasion(username), request, {}, Nothing)
