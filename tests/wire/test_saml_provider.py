"""samlify, a SAML provider that is not ours, and a real server: metadata by URL, sign-in, encryption, logout."""

import base64
import json
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from support.running import RunningServer
from support.saml_idp import CALLBACK, Office, open_office, send


@pytest.fixture(scope="module")
def office(serving: RunningServer) -> Iterator[Office]:
    with open_office(serving) as opened:
        yield opened


def code_of(answer: requests.Response) -> str:
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def test_a_person_of_another_provider_signs_in_and_the_app_gets_tokens(office: Office) -> None:
    browser = office.browser()

    code = code_of(office.sign_in(browser, "carol"))

    form = {"grant_type": "authorization_code", "client_id": office.client_id, "code": code, "redirect_uri": CALLBACK}
    tokens = browser.post(f"{office.url}/oauth2/token", data=form).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["cognito:username"] == "Work_carol"
    assert claims["email"] == "carol@example.com"
    assert claims["identities"][0]["issuer"] == f"{office.idp.origin}/metadata"
    user = office.cognito.admin_get_user(UserPoolId=office.pool_id, Username="Work_carol")
    assert user["UserStatus"] == "EXTERNAL_PROVIDER"
    assert office.is_signed_in(browser)


def test_the_provider_verifies_our_signature_and_refuses_a_request_that_was_changed(office: Office) -> None:
    browser = office.browser()
    leaving = office.leave(browser)
    assert "Sign in at work" in leaving.text

    changed = browser.get(leaving.url.replace("RelayState=", "RelayState=x"))

    assert changed.status_code == 400
    assert "Sign in at work" not in changed.text


def test_the_same_response_is_refused_the_second_time_and_in_another_browser(office: Office) -> None:
    browser, other = office.browser(), office.browser()
    back = send(browser, office.leave(browser), name="dora")
    office.leave(other)

    for stranger in (other, office.browser()):
        assert send(stranger, back).status_code == 400
    assert code_of(send(browser, back))
    again = send(browser, back)

    assert again.status_code == 400
    assert "Invalid samlResponse or relayState from identity provider" in again.text


def test_an_assertion_that_was_changed_on_its_way_is_refused(office: Office) -> None:
    browser = office.browser()
    back = send(browser, office.leave(browser), name="mallory")
    field = re.search(r'name="SAMLResponse" value="([^"]*)"', back.text)
    assert field is not None
    changed = base64.b64decode(unescape(field[1])).replace(b">mallory<", b">carol<")
    relay = re.search(r'name="RelayState" value="([^"]*)"', back.text)
    assert relay is not None

    form = {"SAMLResponse": base64.b64encode(changed).decode(), "RelayState": relay[1]}
    answer = browser.post(f"{office.url}/saml2/idpresponse", data=form, allow_redirects=False)

    told = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert told["error_description"] == ["Invalid SAML response received: Response signature invalid"]
    assert told["state"] == ["st4te"]
    assert not office.is_signed_in(browser)


def test_log_out_goes_by_way_of_the_provider_and_back_to_the_app(office: Office) -> None:
    browser = office.browser()
    office.sign_in(browser, "erin")

    at_work = office.log_out(browser)
    assert "Signed out at work" in at_work.text
    assert office.idp.heard() == {"nameId": "erin", "sessionIndex": "session-1"}
    home = send(browser, at_work)

    assert (home.status_code, home.headers["Location"]) == (302, CALLBACK)
    assert not office.is_signed_in(browser)


def test_the_provider_ends_our_session_and_verifies_our_answer(office: Office) -> None:
    browser, elsewhere = office.browser(), office.browser()
    office.sign_in(browser, "frida")
    assert office.is_signed_in(browser)

    answer = send(elsewhere, elsewhere.get(f"{office.idp.origin}/leave?name=frida"))
    heard = elsewhere.get(answer.headers["Location"])

    assert not office.is_signed_in(browser)
    assert heard.status_code == 200, heard.text
    assert "RelayState=from-work" in answer.headers["Location"]
    assert json.loads(heard.text)["inResponseTo"]


def test_an_encrypted_assertion_is_taken_and_a_plain_one_refused(office: Office) -> None:
    office.change(EncryptedResponses="true", RequestSigningAlgorithm="rsa-sha256")
    sealed, plain = office.browser(), office.browser()

    assert code_of(office.sign_in(sealed, "gert"))
    leaving = office.leave(plain)
    office.idp.register(
        entityId=f"urn:amazon:cognito:sp:{office.pool_id}",
        consumer=f"{office.url}/saml2/idpresponse",
        logout=f"{office.url}/saml2/logout",
        signing=office.cognito.get_signing_certificate(UserPoolId=office.pool_id)["Certificate"],
        encryption=None,
    )
    told = send(plain, send(plain, leaving, name="gert"))

    description = parse_qs(urlsplit(told.headers["Location"]).query)["error_description"]
    assert description == ["Invalid SAML response received: The assertion cannot be decrypted"]
    office.change(RequestSigningAlgorithm="rsa-sha256", IDPSignout="true")
