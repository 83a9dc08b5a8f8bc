"""Every state that a user can be in, and what each operation says to them in it.

Sentences are those of the user-pools reference, section 6. Each case has a user of its own, since many change them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from support.federated_users import come_from_google, federated_pool
from support.userpools import PASSWORD, World, attribute_list
from velvetrope.errors import ServiceError

FLOWS = (
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_AUTH",
)
NEXT: Final = "Another-horse-2"
TOKENS: Final = "tokens"
CHOOSE: Final = "SELECT_CHALLENGE"
NEW_PASSWORD: Final = "NEW_PASSWORD_REQUIRED"
DONE: Final = "done"
WRONG = "NotAuthorizedException: Incorrect username or password."
DISABLED = "NotAuthorizedException: User is disabled."
UNCONFIRMED = "UserNotConfirmedException: User is not confirmed."
RESET = "PasswordResetRequiredException: Password reset required for the user"
NO_ADDRESS = (
    "InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or "
    "phone_number"
)
NOT_NOW = "NotAuthorizedException: User password cannot be reset in the current state."
NO_CODE = "ExpiredCodeException: Invalid code provided, please request a code again."
OTHER_CODE = "CodeMismatchException: Invalid verification code provided, please try again."
CONFIRMED_ALREADY = "InvalidParameterException: User is already confirmed."
REVOKED = "NotAuthorizedException: Access Token has been revoked"


def cannot_confirm(status: str) -> str:
    return f"NotAuthorizedException: User cannot be confirmed. Current status is {status}"


def no_invitation(status: str) -> str:
    return f"UnsupportedUserStateException: Resend not possible. {status} status is not FORCE_CHANGE_PASSWORD."


class Somebody:
    """A user in a state, and the tokens of before, if they ever signed in."""

    def __init__(self, world: World, pool_id: str, client_id: str, name: str) -> None:
        self.world = world
        self.pool_id = pool_id
        self.client_id = client_id
        self.name = name
        self.access_token = self.refresh_token = ""

    @property
    def named(self) -> dict[str, str]:
        return {"user_pool_id": self.pool_id, "username": self.name}

    @property
    def client(self) -> dict[str, str]:
        return {"client_id": self.client_id, "username": self.name}

    async def invited(self) -> None:
        await self.world.admin_create_user(
            **self.named,
            temporary_password=PASSWORD,
            message_action="SUPPRESS",
            user_attributes=attribute_list(email="anna@example.com", email_verified="true"),
        )

    async def signed_in(self) -> None:
        await self.invited()
        await self.world.admin_set_user_password(**self.named, password=PASSWORD, permanent=True)
        tokens = await self.world.sign_in(self.client_id, self.name)
        self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.world.later(seconds=1)

    async def status(self) -> str:
        try:
            return str((await self.world.admin_get_user(**self.named))["user_status"])
        except ServiceError:
            return "gone"


async def somebody(world: World, state: str) -> Somebody:
    if state == "EXTERNAL_PROVIDER":
        pool_id, client_id = await federated_pool(world)
        await come_from_google(world, pool_id, client_id)
        client_id = await world.client(pool_id, explicit_auth_flows=FLOWS, prevent_user_existence_errors="LEGACY")
        return Somebody(world, pool_id, client_id, "Google_1234")
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS, prevent_user_existence_errors="LEGACY")
    made = Somebody(world, pool_id, client_id, "anna")
    match state:
        case "UNCONFIRMED":
            address = attribute_list(email="anna@example.com")
            await world.sign_up(**made.client, password=PASSWORD, user_attributes=address)
        case "FORCE_CHANGE_PASSWORD":
            await made.invited()
        case "CONFIRMED":
            await made.signed_in()
        case "RESET_REQUIRED":
            await made.signed_in()
            await world.admin_reset_user_password(**made.named)
        case "disabled":
            await made.signed_in()
            await world.admin_disable_user(**made.named)
        case _:
            raise AssertionError(state)
    return made


Asked = Callable[[Somebody], Awaitable[Any]]


def flow(name: str, **parameters: str) -> Asked:
    async def begin(of: Somebody) -> Any:
        given = {"USERNAME": of.name, **parameters}
        admin = {"user_pool_id": of.pool_id} if name.startswith("ADMIN") else {}
        begin = of.world.admin_initiate_auth if admin else of.world.initiate_auth
        return await begin(**admin, auth_flow=name, client_id=of.client_id, auth_parameters=given)

    return begin


PASSWORD_CHOSEN = {"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}
SIGN_INS: dict[str, Asked] = {
    "USER_PASSWORD_AUTH": flow("USER_PASSWORD_AUTH", PASSWORD=PASSWORD),
    "wrong password": flow("USER_PASSWORD_AUTH", PASSWORD="wrong"),
    "ADMIN_USER_PASSWORD_AUTH": flow("ADMIN_USER_PASSWORD_AUTH", PASSWORD=PASSWORD),
    "USER_SRP_AUTH": lambda of: of.world.srp_sign_in(of.pool_id, of.client_id, of.name),
    "USER_AUTH": flow("USER_AUTH"),
    "USER_AUTH with a password": flow("USER_AUTH", **PASSWORD_CHOSEN),
}
WITH_TOKENS: dict[str, Asked] = {
    "REFRESH_TOKEN_AUTH": lambda of: of.world.initiate_auth(
        auth_flow="REFRESH_TOKEN_AUTH", client_id=of.client_id, auth_parameters={"REFRESH_TOKEN": of.refresh_token}
    ),
    "GetUser": lambda of: of.world.get_user(access_token=of.access_token),
    "ChangePassword": lambda of: of.world.change_password(
        access_token=of.access_token, previous_password=PASSWORD, proposed_password=NEXT
    ),
    "UpdateUserAttributes": lambda of: of.world.update_user_attributes(
        access_token=of.access_token, user_attributes=attribute_list(name="Anna")
    ),
    "VerifyUserAttribute": lambda of: of.world.verify_user_attribute(
        access_token=of.access_token, attribute_name="email", code="000000"
    ),
    "DeleteUser": lambda of: of.world.delete_user(access_token=of.access_token),
}
BY_NAME: dict[str, Asked] = {
    "ForgotPassword": lambda of: of.world.forgot_password(**of.client),
    "ConfirmForgotPassword": lambda of: of.world.confirm_forgot_password(
        **of.client, confirmation_code="none", password=NEXT
    ),
    "ResendConfirmationCode": lambda of: of.world.resend_confirmation_code(**of.client),
    "ConfirmSignUp": lambda of: of.world.confirm_sign_up(**of.client, confirmation_code="none"),
    "AdminConfirmSignUp": lambda of: of.world.admin_confirm_sign_up(**of.named),
    "AdminResetUserPassword": lambda of: of.world.admin_reset_user_password(**of.named),
    "AdminSetUserPassword": lambda of: of.world.admin_set_user_password(**of.named, password=NEXT, permanent=True),
    "a temporary AdminSetUserPassword": lambda of: of.world.admin_set_user_password(
        **of.named, password=NEXT, permanent=False
    ),
    "AdminCreateUser RESEND": lambda of: of.world.admin_create_user(**of.named, message_action="RESEND"),
}
CHANGED = {"AdminSetUserPassword": "CONFIRMED", "a temporary AdminSetUserPassword": "FORCE_CHANGE_PASSWORD"}

# By state: what each of the above says, in that order; a refused operation changes no state.
SAID: dict[str, tuple[str, ...]] = {
    "UNCONFIRMED": (
        *(UNCONFIRMED, WRONG, UNCONFIRMED, UNCONFIRMED, CHOOSE, UNCONFIRMED),
        *(NO_ADDRESS, NO_CODE, DONE, OTHER_CODE, DONE, NO_ADDRESS, DONE, DONE, no_invitation("UNCONFIRMED")),
    ),
    "CONFIRMED": (
        *(TOKENS, WRONG, TOKENS, TOKENS, CHOOSE, TOKENS),
        *(TOKENS, DONE, DONE, DONE, NO_CODE, DONE),
        *(DONE, NO_CODE, CONFIRMED_ALREADY, cannot_confirm("CONFIRMED"), cannot_confirm("CONFIRMED")),
        *(DONE, DONE, DONE, no_invitation("CONFIRMED")),
    ),
    "FORCE_CHANGE_PASSWORD": (
        *(NEW_PASSWORD, WRONG, NEW_PASSWORD, NEW_PASSWORD, CHOOSE, NEW_PASSWORD),
        *(NOT_NOW, NO_CODE, CONFIRMED_ALREADY),
        *(cannot_confirm("FORCE_CHANGE_PASSWORD"), cannot_confirm("FORCE_CHANGE_PASSWORD")),
        *(NOT_NOW, DONE, DONE, DONE),
    ),
    "RESET_REQUIRED": (
        *(RESET, WRONG, RESET, RESET, CHOOSE, RESET),
        *(RESET, RESET, RESET, RESET, RESET, RESET),
        *(DONE, OTHER_CODE, CONFIRMED_ALREADY, cannot_confirm("RESET_REQUIRED"), cannot_confirm("RESET_REQUIRED")),
        *(DONE, DONE, DONE, no_invitation("RESET_REQUIRED")),
    ),
    "disabled": (
        *(DISABLED, WRONG, DISABLED, DISABLED, CHOOSE, DISABLED),
        *("NotAuthorizedException: Refresh Token has been revoked", REVOKED, REVOKED, REVOKED, REVOKED, REVOKED),
        *(DISABLED, DISABLED, DISABLED, cannot_confirm("CONFIRMED"), cannot_confirm("CONFIRMED")),
        *(DONE, DONE, DONE, no_invitation("CONFIRMED")),
    ),
    "EXTERNAL_PROVIDER": (
        *(WRONG, WRONG, WRONG, WRONG, CHOOSE, WRONG),
        *(NOT_NOW, NO_CODE, CONFIRMED_ALREADY),
        *(cannot_confirm("EXTERNAL_PROVIDER"), cannot_confirm("EXTERNAL_PROVIDER")),
        *(NOT_NOW, DONE, DONE, no_invitation("EXTERNAL_PROVIDER")),
    ),
}
NEVER_SIGNED_IN = {"UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "EXTERNAL_PROVIDER"}


def asked(state: str) -> dict[str, Asked]:
    return SIGN_INS | ({} if state in NEVER_SIGNED_IN else WITH_TOKENS) | BY_NAME


def cases() -> list[tuple[str, str, str]]:
    return [
        (state, operation, said)
        for state, sentences in SAID.items()
        for operation, said in zip(asked(state), sentences, strict=True)
    ]


async def said_by(call: Awaitable[Any]) -> str:
    try:
        answer = await call
    except ServiceError as refusal:
        return f"{refusal.code}: {refusal.message}"
    answer = answer if isinstance(answer, dict) else {}
    return TOKENS if answer.get("authentication_result") else str(answer.get("challenge_name") or DONE)


@pytest.mark.parametrize(("state", "operation", "said"), cases(), ids=[f"{one[0]}, {one[1]}" for one in cases()])
async def test_each_state_allows_what_it_allows(world: World, state: str, operation: str, said: str) -> None:
    user = await somebody(world, state)
    before = await user.status()

    assert await said_by(asked(state)[operation](user)) == said

    after = {**CHANGED, "DeleteUser": "gone", "AdminConfirmSignUp": "CONFIRMED"}
    after["AdminResetUserPassword"] = "RESET_REQUIRED"
    assert await user.status() == (after.get(operation, before) if said == DONE else before)


async def test_whoever_has_the_old_password_cannot_undo_a_reset_with_tokens_of_before(world: World) -> None:
    user = await somebody(world, "RESET_REQUIRED")
    code = await world.last_code(user.pool_id)
    assert await said_by(WITH_TOKENS["ChangePassword"](user)) == RESET

    await world.confirm_forgot_password(**user.client, confirmation_code=code, password=NEXT)

    assert await said_by(WITH_TOKENS["GetUser"](user)) == DONE
    assert await said_by(WITH_TOKENS["REFRESH_TOKEN_AUTH"](user)) == TOKENS
