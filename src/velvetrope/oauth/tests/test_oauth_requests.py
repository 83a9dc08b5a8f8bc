"""Authorization, token, revocation and log-out requests, held against what a client may do."""

import base64
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from velvetrope.oauth import (
    AuthorizationCodeGrant,
    AuthorizationRequest,
    BadBearerRequest,
    ClientNotEnabled,
    ClientRules,
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    LogoutDestination,
    OAuthError,
    Parameters,
    RedirectMismatch,
    RefreshTokenGrant,
    RequiredParameterMissing,
    StaysOnDomain,
    UnauthorizedClient,
    UnsupportedGrantType,
    check_presented_client,
    parse_authorization_request,
    parse_bearer_token,
    parse_logout_destination,
    parse_presented_client,
    parse_revocation_request,
    parse_token_request,
    verify_return_address,
)
from velvetrope.oauth.authorization import RULES_THAT_RETURN, RULES_THAT_STAY
from velvetrope.secret import Secret

CALLBACK = "https://app.example.com/cb"
PLAIN = "http://app.example.com/"
CLIENT = ClientRules(
    client_id="a-client",
    has_secret=False,
    oauth_enabled=True,
    flows=frozenset({"code", "implicit"}),
    scopes=("openid", "email", "https://api.example.com/read"),
    redirect_uris=frozenset({CALLBACK}),
    logout_uris=frozenset({"https://app.example.com/bye"}),
    identity_providers=frozenset({"COGNITO"}),
)


def parameters(**changes: str | None) -> Parameters:
    given: dict[str, str | None] = {
        "client_id": "a-client",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "st4te",
        **changes,
    }
    return Parameters(tuple((name, value) for name, value in given.items() if value is not None))


def parse(client: ClientRules = CLIENT, **changes: str | None) -> AuthorizationRequest:
    asked = parameters(**changes)
    return parse_authorization_request(asked, client, verify_return_address(asked, client))


def test_the_least_request_gets_all_scopes_of_the_client() -> None:
    request = parse()

    assert request.scopes == CLIENT.scopes
    assert request.wants_id_token
    assert request.code_challenge is None


def test_scopes_are_granted_once_and_in_the_order_asked() -> None:
    request = parse(scope="email openid email")

    assert request.scopes == ("email", "openid")


def test_everything_that_matters_later_is_kept() -> None:
    request = parse(nonce="n", prompt="login consent", max_age="0", login_hint="demo", code_challenge=None)

    assert request.nonce == "n"
    assert request.prompts == frozenset({"login", "consent"})
    assert request.max_age_seconds == 0
    assert request.login_hint == "demo"


def test_unknown_parameters_are_ignored() -> None:
    assert parse(ui_locales="de", display="popup", lang="de") == parse()


@pytest.mark.parametrize(
    ("client", "changes", "error"),
    [
        (replace(CLIENT, oauth_enabled=False), {}, ClientNotEnabled),
        (CLIENT, {"redirect_uri": None}, RequiredParameterMissing),
        (CLIENT, {"redirect_uri": "https://app.example.com/CB"}, RedirectMismatch),
        (replace(CLIENT, redirect_uris=frozenset({PLAIN})), {"redirect_uri": PLAIN}, RedirectMismatch),
    ],
)
def test_before_the_address_is_proven_every_refusal_stays(
    client: ClientRules, changes: dict[str, str | None], error: type[OAuthError]
) -> None:
    with pytest.raises(error) as refusal:
        parse(client, **changes)

    assert isinstance(refusal.value, StaysOnDomain)
    assert refusal.value.return_address is None


def test_oauth_switched_off_is_told_before_the_redirect_uri_is_looked_at() -> None:
    with pytest.raises(ClientNotEnabled):
        parse(replace(CLIENT, oauth_enabled=False), redirect_uri="https://evil.example/")


@pytest.mark.parametrize(
    ("client", "changes", "error"),
    [
        (CLIENT, {"response_type": None}, InvalidRequest),
        (replace(CLIENT, flows=frozenset({"implicit"})), {}, UnauthorizedClient),
        (replace(CLIENT, flows=frozenset({"code"})), {"response_type": "token"}, UnauthorizedClient),
        (CLIENT, {"scope": "aws.cognito.signin.user.admin"}, InvalidScope),
        (CLIENT, {"scope": 'openid "'}, InvalidScope),
        (replace(CLIENT, scopes=()), {}, InvalidScope),
        (replace(CLIENT, identity_providers=frozenset()), {}, UnauthorizedClient),
        (CLIENT, {"identity_provider": "Google"}, InvalidRequest),
        (CLIENT, {"identity_provider": "COGNITO", "idp_identifier": "example.com"}, InvalidRequest),
        (CLIENT, {"max_age": "1" * 10}, InvalidRequest),
        (CLIENT, {"max_age": "٣"}, InvalidRequest),
    ],
)
def test_after_it_every_refusal_carries_the_address(
    client: ClientRules, changes: dict[str, str | None], error: type[OAuthError]
) -> None:
    with pytest.raises(error) as refusal:
        parse(client, **changes)

    assert refusal.value.return_address is not None
    assert refusal.value.return_address.redirect_uri == CALLBACK


def test_the_rules_run_in_the_order_that_the_argument_needs() -> None:
    assert [rule.__name__ for rule in RULES_THAT_STAY] == ["check_client_enabled", "check_redirect_uri"]
    assert [rule.__name__ for rule in RULES_THAT_RETURN] == [
        "check_parameters_once",
        "check_no_request_object",
        "check_response_type",
        "check_flow_allowed",
        "check_response_mode",
        "check_pkce",
        "check_prompt",
        "check_max_age",
        "check_identity_provider",
        "check_resource",
    ]


def test_the_state_is_echoed_as_it_came() -> None:
    address = parse(state="a b&c=d").address

    assert address.carrying({"code": "1"}) == f"{CALLBACK}?{urlencode({'code': '1', 'state': 'a b&c=d'})}"


def test_answers_to_token_requests_go_in_the_fragment() -> None:
    address = parse(response_type="token").address

    assert address.carrying({"error": "x"}) == f"{CALLBACK}#error=x&state=st4te"


def test_a_code_grant_is_parsed() -> None:
    grant = parse_token_request(parameters(grant_type="authorization_code", code="c", code_verifier="v" * 43), CLIENT)

    assert grant == AuthorizationCodeGrant(Secret("c"), CALLBACK, "v" * 43)


def test_a_refresh_grant_is_parsed() -> None:
    assert parse_token_request(parameters(grant_type="refresh_token", refresh_token="r"), CLIENT) == RefreshTokenGrant(
        Secret("r")
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, InvalidRequest),
        ({"grant_type": "authorization_code"}, InvalidRequest),
        ({"grant_type": "authorization_code", "code": "c", "redirect_uri": None}, InvalidRequest),
        ({"grant_type": "refresh_token"}, InvalidRequest),
        ({"grant_type": "client_credentials"}, UnauthorizedClient),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, UnsupportedGrantType),
    ],
)
def test_other_token_requests_are_refused(changes: dict[str, str | None], error: type[OAuthError]) -> None:
    with pytest.raises(error):
        parse_token_request(parameters(**changes), CLIENT)


def test_a_revocation_needs_a_token() -> None:
    assert parse_revocation_request(parameters(token="t")).token == Secret("t")
    with pytest.raises(InvalidRequest):
        parse_revocation_request(parameters())


def test_an_id_in_the_body_must_agree_with_the_header() -> None:
    header = "basic " + base64.b64encode(b"a-client:s%2Bcret").decode()

    assert parse_presented_client(header, parameters()).secret == Secret("s+cret")
    with pytest.raises(InvalidClient):
        parse_presented_client(header, parameters(client_id="another"))


def test_a_secret_is_owed_by_those_who_have_one() -> None:
    without = parse_presented_client(None, parameters())
    with_one = parse_presented_client(None, parameters(client_secret="s"))

    check_presented_client(without, CLIENT)
    check_presented_client(with_one, replace(CLIENT, has_secret=True))
    with pytest.raises(InvalidClient, match="invalid_client_secret"):
        check_presented_client(without, replace(CLIENT, has_secret=True))
    with pytest.raises(InvalidClient):
        check_presented_client(with_one, CLIENT)


@pytest.mark.parametrize("header", ["Bearer abc.d-e_f~+/==", "bearer  x"])
def test_a_bearer_token_is_read(header: str) -> None:
    assert parse_bearer_token(header).reveal() == header.rsplit(maxsplit=1)[-1]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer a b", "Basic abc", "Bearer a\n"])
def test_what_is_no_bearer_token_is_a_bad_request(header: str | None) -> None:
    with pytest.raises(BadBearerRequest):
        parse_bearer_token(header)


def test_logging_out_goes_to_a_registered_logout_uri_only() -> None:
    bye = parameters(logout_uri="https://app.example.com/bye", redirect_uri=None)
    elsewhere = parameters(logout_uri="https://evil.example/", redirect_uri=None)

    assert parse_logout_destination(bye, CLIENT) == LogoutDestination("app", "https://app.example.com/bye")
    with pytest.raises(RequiredParameterMissing, match="redirect_uri"):
        parse_logout_destination(elsewhere, CLIENT)


def test_logging_out_to_sign_in_again_needs_a_response_type() -> None:
    with pytest.raises(RequiredParameterMissing, match="response_type"):
        parse_logout_destination(parameters(response_type=None), CLIENT)


def test_logging_out_to_sign_in_at_an_unregistered_address_is_refused() -> None:
    with pytest.raises(RedirectMismatch):
        parse_logout_destination(parameters(redirect_uri="https://evil.example/"), CLIENT)
