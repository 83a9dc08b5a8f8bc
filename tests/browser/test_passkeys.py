"""Passkeys by Chromium's own authenticator: the page asks the browser, the browser signs, user pools verify."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Error, Page

from support.clients import aws_client
from support.mailbox import cognito
from support.running import RunningServer

pytestmark = pytest.mark.browser

PASSWORD = "Correct-horse-1"
CREATE = """async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
}"""
GET = """async (options) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("passkeys") / "state") as server:
        yield server


@pytest.fixture
def authenticator(page: Page) -> Callable[[bool], None]:
    """A platform authenticator that always finds its user at hand; what is returned says whether it verifies them."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    def verify(verifies: bool) -> None:
        session.send(
            "WebAuthn.setUserVerified", {"authenticatorId": added["authenticatorId"], "isUserVerified": verifies}
        )

    return verify


def pool_with_user(server: RunningServer) -> tuple[str, str, str]:
    """The ids of a client and of its pool, and an access token of the user anna."""
    admin = aws_client(server, "cognito-idp")
    pool_id = admin.create_user_pool(
        PoolName="people", Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}
    )["UserPool"]["Id"]
    admin.set_user_pool_mfa_config(
        UserPoolId=pool_id, WebAuthnConfiguration={"RelyingPartyId": "localhost", "UserVerification": "required"}
    )
    client = admin.create_user_pool_client(
        UserPoolId=pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]
    admin.admin_create_user(UserPoolId=pool_id, Username="anna", MessageAction="SUPPRESS")
    admin.admin_set_user_password(UserPoolId=pool_id, Username="anna", Password=PASSWORD, Permanent=True)
    signed_in = cognito(server).initiate_auth(
        ClientId=client["ClientId"],
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD},
    )
    return client["ClientId"], pool_id, signed_in["AuthenticationResult"]["AccessToken"]


def test_browser_registers_a_passkey_and_signs_in_with_it(
    serving: RunningServer, page: Page, authenticator: Callable[[bool], None]
) -> None:
    client_id, _, token = pool_with_user(serving)
    people = cognito(serving)
    page.goto(serving.url)
    assert authenticator is not None

    options = people.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    people.complete_web_authn_registration(AccessToken=token, Credential=page.evaluate(CREATE, options))
    challenge = people.initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "WEB_AUTHN"},
    )
    asked = json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    answer = {"USERNAME": "anna", "CREDENTIAL": json.dumps(page.evaluate(GET, asked))}
    given = {"ClientId": client_id, "ChallengeName": "WEB_AUTHN", "Session": challenge["Session"]}
    result = people.respond_to_auth_challenge(**given, ChallengeResponses=answer)

    assert result["AuthenticationResult"]["AccessToken"]
    with pytest.raises(ClientError, match="session can only be used once"):
        people.respond_to_auth_challenge(**given, ChallengeResponses=answer)
    # The same authenticator is not registered twice: the options name what the user has.
    again = people.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    with pytest.raises(Error, match="InvalidStateError"):
        page.evaluate(CREATE, again)


def test_page_of_another_origin_gets_no_passkey(
    serving: RunningServer, page: Page, authenticator: Callable[[bool], None]
) -> None:
    _, _, token = pool_with_user(serving)
    page.goto(serving.url.replace("localhost", "127.0.0.1"))
    assert authenticator is not None

    options = cognito(serving).start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    with pytest.raises(Error, match=r"SecurityError|TypeError"):
        page.evaluate(CREATE, options)


def test_a_page_that_spares_the_user_the_verification_gets_nothing(
    serving: RunningServer, page: Page, authenticator: Callable[[bool], None]
) -> None:
    """MFA is required, and the passkey stands for both factors: Chromium verifies, unless the page asks it not to."""
    client_id, pool_id, token = pool_with_user(serving)
    people, admin = cognito(serving), aws_client(serving, "cognito-idp")
    passkeys = {"RelyingPartyId": "localhost", "FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION"}
    codes = {"EmailMfaConfiguration": {"Subject": "Your code"}, "WebAuthnConfiguration": passkeys}
    admin.set_user_pool_mfa_config(UserPoolId=pool_id, MfaConfiguration="OPTIONAL", **codes)
    page.goto(serving.url)
    options = people.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    people.complete_web_authn_registration(AccessToken=token, Credential=page.evaluate(CREATE, options))
    address = [{"Name": "email", "Value": "anna@example.com"}, {"Name": "email_verified", "Value": "true"}]
    admin.admin_update_user_attributes(UserPoolId=pool_id, Username="anna", UserAttributes=address)
    on = {"Enabled": True}
    people.set_user_mfa_preference(AccessToken=token, EmailMfaSettings=on, WebAuthnMfaSettings=on)
    admin.set_user_pool_mfa_config(UserPoolId=pool_id, MfaConfiguration="ON", **codes)
    assert people.get_user(AccessToken=token)["UserMFASettingList"] == ["EMAIL_OTP", "WEB_AUTHN_MFA"]

    def sign_in(**changed: str) -> Any:
        challenge = people.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_AUTH",
            AuthParameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "WEB_AUTHN"},
        )
        asked = json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
        assert asked["userVerification"] == "required"
        answer = {"USERNAME": "anna", "CREDENTIAL": json.dumps(page.evaluate(GET, {**asked, **changed}))}
        return people.respond_to_auth_challenge(
            ClientId=client_id, ChallengeName="WEB_AUTHN", Session=challenge["Session"], ChallengeResponses=answer
        )

    assert sign_in()["AuthenticationResult"]["AccessToken"]
    authenticator(False)
    with pytest.raises(ClientError, match="Incorrect username or password"):
        sign_in(userVerification="discouraged")
