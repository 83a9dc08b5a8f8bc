"""Single logout with SAML providers: on to the provider and back, and when the provider begins."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support.hosted_ui import CALLBACK, Browser
from support.hosted_ui import Response as Page
from support.saml import ASSERTION, LOGOUT_SERVICE, OTHER_KEY, PROTOCOL, certificate_of, metadata
from support.saml_house import LOGOUT, Departure, SamlHouse, open_saml_house
from velvetrope.hosted_ui.saml_logout import NOT_CONFIRMED

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_OURS = "Invalid samlResponse or relayState from identity provider"
REQUESTER = "urn:oasis:names:tc:SAML:2.0:status:Requester"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SamlHouse]:
    """One house for all: every test comes with people and browsers of its own."""
    async with open_saml_house(tmp_path_factory.mktemp("saml")) as opened:
        yield opened


async def signed_in(house: SamlHouse, subject: str, **changes: Any) -> Browser:
    browser = house.browser()
    page = await house.sign_in(browser, subject=subject, **changes)
    assert "code" in page.answer
    return browser


async def log_out(house: SamlHouse, browser: Browser, **changes: str) -> Page:
    query = {"client_id": house.client_id, "logout_uri": CALLBACK, **changes}
    return await browser.get(f"/logout?{urlencode(query)}")


async def verify_signature(house: SamlHouse, departure: Departure) -> None:
    """The query is signed with the key that GetSigningCertificate shows."""
    answer = await house.world.get_signing_certificate(user_pool_id=house.pool_id)
    key = x509.load_der_x509_certificate(base64.b64decode(answer["certificate"])).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signed, _, _ = urlsplit(departure.url).query.partition("&Signature=")
    key.verify(base64.b64decode(departure.query["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


# --- on to the provider -----------------------------------------------------------------------------------------------


async def test_log_out_goes_on_to_the_provider_with_a_signed_request_and_comes_back_to_the_app(
    house: SamlHouse,
) -> None:
    browser = await signed_in(house, "anna")

    departure = Departure((await log_out(house, browser)).location)

    assert departure.url.startswith("https://idp.example.com/slo?SAMLRequest=")
    request = departure.message
    assert request.tag == f"{{{PROTOCOL}}}LogoutRequest"
    assert request.findtext(f"{{{ASSERTION}}}NameID") == "anna"
    assert request.findtext(f"{{{PROTOCOL}}}SessionIndex") == "_s1"
    await verify_signature(house, departure)
    assert not await house.is_signed_in(browser)
    answer = house.logout_message("LogoutResponse", in_response_to=departure.request_id)
    page = await house.log_out_at_provider(browser, answer, RelayState=departure.relay_state)
    assert (page.status, page.location) == (302, CALLBACK)


async def test_log_out_by_way_of_the_sign_in_page_comes_back_to_it(house: SamlHouse) -> None:
    browser = await signed_in(house, "bert")
    query = urlencode({"client_id": house.client_id, "redirect_uri": CALLBACK, "response_type": "code"})

    departure = Departure((await browser.get(f"/logout?{query}")).location)
    answer = house.logout_message("LogoutResponse", in_response_to=departure.request_id)
    page = await house.log_out_at_provider(browser, answer, RelayState=departure.relay_state)

    assert page.location.startswith("/login?")


async def test_who_did_not_sign_in_with_a_provider_that_signs_out_goes_no_further(house: SamlHouse) -> None:
    other = metadata(entity_id="https://quiet.example.com", services=LOGOUT_SERVICE)
    await house.add_provider("Quiet", other)
    client_id = await house.add_client("Quiet", "COGNITO")
    browser = house.browser()
    departure = await house.leave(browser, client_id=client_id, identity_provider="Quiet")
    response = house.good(departure, issuer="https://quiet.example.com", response_issuer=None)
    await house.respond(browser, response, departure.relay_state)

    assert (await log_out(house, browser, client_id=client_id)).location == CALLBACK
    assert (await log_out(house, house.browser())).location == CALLBACK


async def test_a_provider_that_is_gone_or_signs_out_no_more_is_not_told(house: SamlHouse) -> None:
    document = metadata(entity_id="https://leaving.example.com", services=LOGOUT_SERVICE)
    await house.add_provider("Leaving", document, IDPSignout="true")
    client_id = await house.add_client("Leaving", "COGNITO")
    browsers = []
    for subject in ("one", "two"):
        browser = house.browser()
        departure = await house.leave(browser, client_id=client_id, identity_provider="Leaving")
        response = house.good(departure, issuer="https://leaving.example.com", response_issuer=None, subject=subject)
        await house.respond(browser, response, departure.relay_state)
        browsers.append(browser)

    await house.world.update_identity_provider(
        user_pool_id=house.pool_id, provider_name="Leaving", provider_details={"MetadataFile": document}
    )
    assert (await log_out(house, browsers[0], client_id=client_id)).location == CALLBACK
    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Leaving")
    assert (await log_out(house, browsers[1], client_id=client_id)).location == CALLBACK


WRONG: dict[str, dict[str, Any]] = {
    "unsigned": {"sign": False},
    "signed by another key": {"key": OTHER_KEY},
    "of another issuer": {"issuer": "https://evil.example.com"},
    "sent to somebody else": {"destination": "https://evil.example.com/saml2/logout"},
    "the answer to another request": {"in_response_to": "_another"},
    "the answer to no request": {"in_response_to": None},
    "a refusal": {"status": REQUESTER},
    "too old": {"now": -timedelta(minutes=5)},
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
async def test_an_answer_that_proves_nothing_leaves_the_person_signed_out_here_and_says_so(
    house: SamlHouse, wrong: str
) -> None:
    browser = await signed_in(house, "carl")
    departure = Departure((await log_out(house, browser)).location)
    changes = {"in_response_to": departure.request_id, **WRONG[wrong]}
    if "now" in changes:
        changes["now"] += house.now

    answer = house.logout_message("LogoutResponse", **changes)
    page = await house.log_out_at_provider(browser, answer, RelayState=departure.relay_state)

    assert (page.status, NOT_CONFIRMED in page.text) == (400, True)
    assert not await house.is_signed_in(browser)
    assert house.records.last_reason


async def test_a_log_out_is_finished_once_and_within_five_minutes(house: SamlHouse) -> None:
    browser, other = await signed_in(house, "dirk"), await signed_in(house, "dirk")
    departure, late = [Departure((await log_out(house, one)).location) for one in (browser, other)]
    answer = house.logout_message("LogoutResponse", in_response_to=departure.request_id)

    first = await house.log_out_at_provider(browser, answer, RelayState=departure.relay_state)
    again = await house.log_out_at_provider(browser, answer, RelayState=departure.relay_state)
    house.world.later(minutes=5)
    answer = house.logout_message("LogoutResponse", in_response_to=late.request_id)
    too_late = await house.log_out_at_provider(other, answer, RelayState=late.relay_state)

    assert first.status == 302
    for page in (again, too_late):
        assert (page.status, NOT_OURS in page.text) == (400, True)


# --- when the provider begins -----------------------------------------------------------------------------------------


async def test_a_provider_ends_a_persons_session_and_is_answered(house: SamlHouse) -> None:
    browser, elsewhere = await signed_in(house, "emil"), house.browser()

    message = house.logout_message(subject="emil")
    page = await house.log_out_at_provider(elsewhere, message, RelayState="theirs " * 20)

    assert not await house.is_signed_in(browser)
    answer = Departure(page.location)
    assert answer.url.startswith("https://idp.example.com/slo?SAMLResponse=")
    assert answer.message.get("InResponseTo") == message.identifier
    assert answer.relay_state == "theirs " * 20
    await verify_signature(house, answer)
    # The session is over for log-out, too: there is nobody left to tell the provider of.
    assert (await log_out(house, browser)).location == CALLBACK


async def test_a_request_ends_the_sessions_that_it_names_and_no_others(house: SamlHouse) -> None:
    first, second = await signed_in(house, "fred"), await signed_in(house, "fred")
    somebody_else = await signed_in(house, "gina")

    await house.log_out_at_provider(house.browser(), house.logout_message(subject="fred", session_indexes=("_other",)))
    assert await house.is_signed_in(first)
    other_format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    await house.log_out_at_provider(house.browser(), house.logout_message(subject="fred", name_format=other_format))
    assert await house.is_signed_in(first)
    await house.log_out_at_provider(house.browser(), house.logout_message(subject="fred", session_indexes=()))

    assert not await house.is_signed_in(first)
    assert not await house.is_signed_in(second)
    assert await house.is_signed_in(somebody_else)


REFUSED: dict[str, dict[str, Any]] = {
    "unsigned": {"sign": False},
    "signed by another key": {"key": OTHER_KEY},
    "of another issuer": {"issuer": "https://evil.example.com"},
    "sent to somebody else": {"destination": "https://evil.example.com/saml2/logout"},
    "sent to nobody": {"destination": None},
    "too old": {"now": -timedelta(minutes=5)},
    "not yet": {"now": timedelta(minutes=5, seconds=1)},
    "of nobody": {"subject": ""},
}


@pytest.mark.parametrize("wrong", sorted(REFUSED))
async def test_a_request_that_proves_nothing_signs_nobody_out(house: SamlHouse, wrong: str) -> None:
    browser = await signed_in(house, "hugo")
    changes = {"subject": "hugo", **REFUSED[wrong]}
    if "now" in changes:
        changes["now"] += house.now

    page = await house.log_out_at_provider(house.browser(), house.logout_message(**changes))

    assert (page.status, NOT_OURS in page.text) == (400, True)
    assert await house.is_signed_in(browser)


async def test_a_request_counts_once(house: SamlHouse) -> None:
    message = house.logout_message(subject="ida")
    await house.log_out_at_provider(house.browser(), message)
    browser = await signed_in(house, "ida")

    page = await house.log_out_at_provider(house.browser(), message)

    assert (page.status, NOT_OURS in page.text) == (400, True)
    assert await house.is_signed_in(browser)
    assert "a replay" in house.records.last_reason


async def test_another_provider_signs_out_its_own_people_only(house: SamlHouse) -> None:
    """Even one that goes by the same entity id: what it has signed is about its own people."""
    same_name = metadata(certificate_of(OTHER_KEY), services=LOGOUT_SERVICE)
    await house.add_provider("Twin", same_name, IDPSignout="true")
    browser = await signed_in(house, "jack")

    page = await house.log_out_at_provider(house.browser(), house.logout_message(subject="jack", key=OTHER_KEY))

    assert page.status == 302
    assert await house.is_signed_in(browser)
    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Twin")


async def test_a_provider_that_is_not_to_sign_out_does_not(house: SamlHouse) -> None:
    silent = "https://silent.example.com"
    await house.add_provider("Silent", metadata(entity_id=silent, services=LOGOUT_SERVICE))
    client_id = await house.add_client("Silent", "COGNITO")
    browser = house.browser()
    departure = await house.leave(browser, client_id=client_id, identity_provider="Silent")
    response = house.good(departure, issuer=silent, response_issuer=None, subject="kate")
    await house.respond(browser, response, departure.relay_state)

    page = await house.log_out_at_provider(house.browser(), house.logout_message(issuer=silent, subject="kate"))

    assert (page.status, NOT_OURS in page.text) == (400, True)


async def test_forms_that_are_none_are_refused(house: SamlHouse) -> None:
    browser = house.browser()
    for form in ({}, {"SAMLRequest": "%%%"}, {"SAMLRequest": "PGEvPg=="}, {"SAMLResponse": "PGEvPg=="}):
        page = await house.post(browser, "/saml2/logout", form)
        assert (page.status, NOT_OURS in page.text) == (400, True), form
    assert (await browser.get("/saml2/logout?SAMLRequest=PGEvPg==")).status == 405
    assert (await browser.request("POST", "/saml2/logout", body=b"{}")).status == 415
    assert LOGOUT.endswith("/saml2/logout")
