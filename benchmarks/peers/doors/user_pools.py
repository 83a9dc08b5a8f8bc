"""Doors of a user pool: sign-in, its second factor, its codes, and tokens that were taken back."""

import base64
import functools
import itertools
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pyotp
from botocore.credentials import Credentials
from pycognito.aws_srp import AWSSRP

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors.door import Answer, Door, HasNone, ask
from benchmarks.peers.forgeries import claims_of
from velvetrope.server.machine import SystemClock

__all__ = ["DOORS", "PASSWORD", "UserPools"]

PASSWORD = "Correct-horse-1"
NEW_PASSWORD = "Battery-staple-2"
FLOWS = ["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
GUESSES = ("123456", "654321", "000000")


class UserPools:
    """One pool with two clients, one of which has a secret; every door gets a user of its own."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.admin = aws.client("cognito-idp")
        self.public = aws.unsigned("cognito-idp")
        self._numbers = itertools.count()

    @functools.cached_property
    def pool_id(self) -> str:
        pool = self.admin.create_user_pool(
            PoolName="doors",
            AutoVerifiedAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
        )["UserPool"]
        return str(pool["Id"])

    @functools.cached_property
    def client_id(self) -> str:
        return self.new_client("web")

    def new_client(self, name: str, **settings: Any) -> str:
        """The id of another client of the pool."""
        made = self.admin.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName=name, ExplicitAuthFlows=FLOWS, **settings
        )
        return str(made["UserPoolClient"]["ClientId"])

    @functools.cached_property
    def confidential_client(self) -> tuple[str, str]:
        """Id and secret."""
        made = self.admin.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName="backend", ExplicitAuthFlows=FLOWS, GenerateSecret=True
        )["UserPoolClient"]
        return made["ClientId"], made["ClientSecret"]

    def new_user(self, password: str = PASSWORD) -> str:
        """A confirmed user with a verified address."""
        name = f"user-{next(self._numbers)}"
        self.admin.admin_create_user(
            UserPoolId=self.pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": f"{name}@example.com"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
        self.admin.admin_set_user_password(UserPoolId=self.pool_id, Username=name, Password=password, Permanent=True)
        return name

    @functools.cached_property
    def short_lived_client(self) -> str:
        """The id of a client whose tokens live as long as AWS's shortest do: five minutes."""
        minutes = {"IdToken": "minutes", "AccessToken": "minutes"}
        return self.new_client("short-lived", IdTokenValidity=5, AccessTokenValidity=5, TokenValidityUnits=minutes)

    @functools.cached_property
    def expired_token(self) -> str:
        """An ID token whose time is over; the first who asks waits for that."""
        token = self.tokens(self.new_user(), self.short_lived_client)["IdToken"]
        clock = SystemClock()
        while int(clock.now().timestamp()) <= claims_of(token)["exp"]:
            time.sleep(1)
        return token

    # Ways in

    def password(self, name: str, password: str = PASSWORD, client_id: str = "", **more: str) -> Any:
        return self.public.initiate_auth(
            ClientId=client_id or self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password, **more},
        )

    def tokens(self, name: str, client_id: str = "") -> dict[str, str]:
        answer = self.password(name, client_id=client_id)
        if "AuthenticationResult" not in answer:
            raise HasNone(f"signing in gave {sorted(answer)}")
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def srp(self, name: str, **changed: str) -> Any:
        """By pycognito; `changed` replaces members of its proof."""
        client = AWSSRP(
            username=name, password=PASSWORD, pool_id=self.pool_id, client_id=self.client_id, client=self.public
        )
        given = client.get_auth_params()
        challenge = self.public.initiate_auth(ClientId=self.client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=given)
        if challenge.get("ChallengeName") != "PASSWORD_VERIFIER":
            raise HasNone(f"USER_SRP_AUTH asks for {challenge.get('ChallengeName')}")
        proof = client.process_challenge(challenge["ChallengeParameters"], given)
        session = {"Session": challenge["Session"]} if challenge.get("Session") else {}
        return self.public.respond_to_auth_challenge(
            ClientId=self.client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses={**proof, **changed},
            **session,
        )

    # SRP and passwords

    def right_proof(self) -> Answer:
        return ask(lambda: self.srp(self.new_user()), _tokens)

    def junk_proof(self) -> Answer:
        junk = base64.b64encode(bytes(32)).decode()
        return ask(lambda: self.srp(self.new_user(), PASSWORD_CLAIM_SIGNATURE=junk), _tokens)

    def right_password(self) -> Answer:
        return ask(lambda: self.password(self.new_user()), _tokens)

    def wrong_password(self) -> Answer:
        return ask(lambda: self.password(self.new_user(), "Wrong-horse-1"), _tokens)

    def twenty_guesses(self) -> Answer:
        """Let in is who is told twenty times that it was wrong: a lock would have answered without looking."""
        name = self.new_user()
        answers = [ask(functools.partial(self.password, name, f"Wrong-horse-{guess}")) for guess in range(20)]
        locked = next((answer for answer in answers if answer != answers[0]), None)
        return locked or Answer(admitted=True, said=f"twenty times {answers[0].said}")

    def password_of_a_disabled_user(self) -> Answer:
        name = self.new_user()
        self.admin.admin_disable_user(UserPoolId=self.pool_id, Username=name)
        return ask(lambda: self.password(name), _tokens)

    # The second factor

    def _with_totp(self) -> tuple[str, "_App"]:
        """A user whose sign-in asks for an authenticator app's code, and the app."""
        self.admin.set_user_pool_mfa_config(
            UserPoolId=self.pool_id, SoftwareTokenMfaConfiguration={"Enabled": True}, MfaConfiguration="OPTIONAL"
        )
        name = self.new_user()
        token = self.tokens(name)["AccessToken"]
        app = _App(self.public.associate_software_token(AccessToken=token)["SecretCode"])
        verified = self.public.verify_software_token(AccessToken=token, UserCode=app.now())
        if verified.get("Status") != "SUCCESS":
            raise HasNone(f"VerifySoftwareToken says {verified.get('Status')}")
        self.public.set_user_mfa_preference(
            AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
        return name, app

    def _answer_totp(self, code_of: Callable[["_App"], str]) -> Answer:
        name, app = self._with_totp()
        challenge = self.password(name)
        if challenge.get("ChallengeName") != "SOFTWARE_TOKEN_MFA":
            return Answer(admitted=_tokens(challenge), said=f"200: {', '.join(challenge)}")
        code = code_of(app)
        return ask(
            lambda: self.public.respond_to_auth_challenge(
                ClientId=self.client_id,
                ChallengeName="SOFTWARE_TOKEN_MFA",
                Session=challenge["Session"],
                ChallengeResponses={"USERNAME": name, "SOFTWARE_TOKEN_MFA_CODE": code},
            ),
            _tokens,
        )

    def right_totp(self) -> Answer:
        """A code may be used once; the next is good already, where clocks may differ by a step (RFC 6238 section 5.2).

        Where they may not, this step's is, though it has been used.
        """
        answer = self._answer_totp(_next_code)
        return answer if answer.admitted else self._answer_totp(lambda app: app.at(SystemClock().now()))

    def wrong_totp(self) -> Answer:
        return self._answer_totp(lambda app: f"{(int(_next_code(app)) + 1) % 1_000_000:06}")

    def password_without_totp(self) -> Answer:
        name, _ = self._with_totp()
        return ask(lambda: self.password(name), _tokens)

    def proof_without_totp(self) -> Answer:
        name, _ = self._with_totp()
        return ask(lambda: self.srp(name), _tokens)

    # The client's secret

    def _with_hash(self, secret: str | None) -> Answer:
        client_id, right = self.confidential_client
        name = self.new_user()
        given = {"SECRET_HASH": AWSSRP.get_secret_hash(name, client_id, secret or right)} if secret != "" else {}
        return ask(lambda: self.password(name, client_id=client_id, **given), _tokens)

    def right_secret(self) -> Answer:
        return self._with_hash(None)

    def wrong_secret(self) -> Answer:
        return self._with_hash("not-the-secret")

    def no_secret(self) -> Answer:
        return self._with_hash("")

    # Codes

    def confirmed_by_the_administrator(self) -> Answer:
        name = self._signed_up()
        self.admin.admin_confirm_sign_up(UserPoolId=self.pool_id, Username=name)
        return ask(lambda: self.password(name), _tokens)

    def confirmed_by_a_guess(self) -> Answer:
        name = self._signed_up()
        return self._guess(functools.partial(self.public.confirm_sign_up, Username=name))

    def _signed_up(self) -> str:
        name = f"newcomer-{next(self._numbers)}"
        self.public.sign_up(
            ClientId=self.client_id,
            Username=name,
            Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
        )
        return name

    def password_set_by_the_administrator(self) -> Answer:
        return ask(lambda: self._set_password(self.admin))

    def password_set_by_nobody(self) -> Answer:
        made_up = Credentials("AKIAZZZZZZZZZZZZZZZZ", "a-secret-that-nobody-was-ever-given-here")
        return ask(lambda: self._set_password(self.aws.client("cognito-idp", made_up)))

    def _set_password(self, by: Any) -> Any:
        name = self.new_user()
        return by.admin_set_user_password(UserPoolId=self.pool_id, Username=name, Password=NEW_PASSWORD, Permanent=True)

    def password_reset_by_a_guess(self) -> Answer:
        name = self.new_user()
        self.public.forgot_password(ClientId=self.client_id, Username=name)
        return self._guess(functools.partial(self.public.confirm_forgot_password, Username=name, Password=NEW_PASSWORD))

    def _guess(self, call: Callable[..., Any]) -> Answer:
        """The answer to the first code that is taken, else to the last."""
        for code in GUESSES:
            answer = ask(functools.partial(call, ClientId=self.client_id, ConfirmationCode=code))
            if answer.admitted:
                return Answer(admitted=True, said=f"200: {code} was taken")
        return answer

    # Tokens that were taken back

    def _refresh(self, token: str) -> Answer:
        return ask(
            lambda: self.public.initiate_auth(
                ClientId=self.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
            ),
            _tokens,
        )

    def refreshed(self) -> Answer:
        return self._refresh(self.tokens(self.new_user())["RefreshToken"])

    def refreshed_after_revocation(self) -> Answer:
        token = self.tokens(self.new_user())["RefreshToken"]
        self.public.revoke_token(ClientId=self.client_id, Token=token)
        return self._refresh(token)

    def shown(self) -> Answer:
        token = self.tokens(self.new_user())["AccessToken"]
        return ask(lambda: self.public.get_user(AccessToken=token))

    def shown_after_global_sign_out(self) -> Answer:
        token = self.tokens(self.new_user())["AccessToken"]
        self.public.global_sign_out(AccessToken=token)
        return ask(lambda: self.public.get_user(AccessToken=token))


def _tokens(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("AuthenticationResult", {}).get("AccessToken"))


class _App(pyotp.TOTP):
    """An authenticator app that takes short secrets too, as those on telephones do."""

    min_secret_length_bits = 0


def _next_code(app: _App) -> str:
    return app.at(SystemClock().now() + timedelta(seconds=app.interval))


REFUSED = "400 NotAuthorizedException"
DOORS: tuple[Door[UserPools], ...] = (
    Door("SRP sign-in with a proof of junk", REFUSED, UserPools.right_proof, UserPools.junk_proof),
    Door("a wrong password", REFUSED, UserPools.right_password, UserPools.wrong_password),
    Door(
        "twenty passwords guessed in a row, each of them looked at",
        REFUSED,
        UserPools.right_password,
        UserPools.twenty_guesses,
    ),
    Door("the password of a disabled user", REFUSED, UserPools.right_password, UserPools.password_of_a_disabled_user),
    Door(
        "tokens for a password, the second factor left out",
        "200 SOFTWARE_TOKEN_MFA",
        UserPools.right_totp,
        UserPools.password_without_totp,
    ),
    Door(
        "tokens for an SRP proof, the second factor left out",
        "200 SOFTWARE_TOKEN_MFA",
        UserPools.right_proof,
        UserPools.proof_without_totp,
    ),
    Door(
        "a wrong code of the authenticator app", "400 CodeMismatchException", UserPools.right_totp, UserPools.wrong_totp
    ),
    Door("a secret hash of another secret", REFUSED, UserPools.right_secret, UserPools.wrong_secret),
    Door("no secret hash for a client with a secret", REFUSED, UserPools.right_secret, UserPools.no_secret),
    Door(
        "sign-up confirmed by a guessed code",
        "400 CodeMismatchException",
        UserPools.confirmed_by_the_administrator,
        UserPools.confirmed_by_a_guess,
    ),
    Door(
        "password reset by a guessed code",
        "400 CodeMismatchException",
        UserPools.password_set_by_the_administrator,
        UserPools.password_reset_by_a_guess,
    ),
    Door(
        "AdminSetUserPassword signed with an access key that does not exist",
        "400 UnrecognizedClientException",
        UserPools.password_set_by_the_administrator,
        UserPools.password_set_by_nobody,
    ),
    Door("a refresh token after RevokeToken", REFUSED, UserPools.refreshed, UserPools.refreshed_after_revocation),
    Door(
        "an access token at GetUser after GlobalSignOut",
        REFUSED,
        UserPools.shown,
        UserPools.shown_after_global_sign_out,
    ),
)
