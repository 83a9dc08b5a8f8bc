"""Sign-in with SAML providers: the way there and back, and every response that is refused."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from support.hosted_ui import CALLBACK, Browser, authorize_query
from support.saml import ASSERTION, OTHER_KEY, Response, certificate_of, instant, metadata, sign_with_sha1
from support.saml_house import CONSUMER, Departure, SamlHouse, open_saml_house, saml_pages
from support.saml_wrapping import WRAPPINGS, wrapped
from velvetrope.store.tables.userpools import LambdaConfig, VersionedTrigger

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = timedelta(seconds=1)
NOT_OURS = "Invalid samlResponse or relayState from identity provider"
INVALID = "Invalid SAML response received: "
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SamlHouse]:
    """One house for all: every test comes with browsers and messages of its own."""
    async with open_saml_house(tmp_path_factory.mktemp("saml")) as opened:
        yield opened


async def refused(house: SamlHouse, response: Response | bytes, departure: Departure, browser: Any) -> dict[str, str]:
    """What the app is told when its user comes back with this."""
    page = await house.respond(browser, response, departure.relay_state)
    assert page.location.startswith(CALLBACK)
    assert page.answer["state"] == "st4te"
    assert "code" not in page.answer
    assert not await house.is_signed_in(browser)
    return page.answer


# --- there and back ---------------------------------------------------------------------------------------------------


async def test_a_person_leaves_with_a_request_and_comes_back_as_a_user(house: SamlHouse) -> None:
    browser = house.browser()

    departure = await house.leave(browser)
    page = await house.respond(browser, house.good(departure), departure.relay_state)

    request = departure.message
    assert departure.url.startswith("https://idp.example.com/sso/redirect?SAMLRequest=")
    assert request.findtext(f"{{{ASSERTION}}}Issuer") == f"urn:amazon:cognito:sp:{house.pool_id}"
    assert request.get("AssertionConsumerServiceURL") == CONSUMER
    assert request.get("ForceAuthn") is None
    assert "Signature" not in departure.query
    assert page.location.startswith(f"{CALLBACK}?code=")
    claims = await house.claims(browser, page)
    assert claims["cognito:username"] == "Corp_carol@example.com"
    assert claims["email"] == "carol@example.com"
    assert claims["identities"][0]["providerType"] == "SAML"
    assert claims["identities"][0]["issuer"] == "https://idp.example.com/metadata"
    assert claims["cognito:groups"] == [f"{house.pool_id}_Corp"]
    assert await house.is_signed_in(browser)
    assert not any("csrf-state" in name for name in browser.cookies)


async def test_attributes_are_brought_up_to_date_at_each_sign_in_and_several_values_are_joined(
    house: SamlHouse,
) -> None:
    browser = house.browser()
    await house.sign_in(browser, subject="dora")

    page = await house.sign_in(house.browser(), subject="dora", attributes={"mail": ["new@example.com"]})
    assert (await house.claims(browser, page))["email"] == "new@example.com"

    await house.world.update_identity_provider(
        user_pool_id=house.pool_id, provider_name="Corp", attribute_mapping={"email": "mail", "name": "groups"}
    )
    several = {"mail": ["new@example.com"], "groups": ["staff &amp; more", "a~b", "x.y-z_*"]}
    page = await house.sign_in(house.browser(), subject="dora", attributes=several)
    assert (await house.claims(browser, page))["name"] == "staff+%26+more,a%7Eb,x.y-z_*"


async def test_the_app_may_ask_by_identifier_and_for_a_fresh_authentication(house: SamlHouse) -> None:
    await house.world.update_identity_provider(
        user_pool_id=house.pool_id, provider_name="Corp", idp_identifiers=("corp.example",)
    )

    departure = await house.leave(
        house.browser(), identity_provider=None, idp_identifier="corp.example", prompt="login"
    )

    assert departure.message.get("ForceAuthn") == "true"


async def test_a_request_is_signed_with_the_key_of_the_signing_certificate_where_that_is_asked_for(
    house: SamlHouse,
) -> None:
    wanting = metadata(entity_id="https://wanting.example.com").replace(
        "<md:IDPSSODescriptor ", '<md:IDPSSODescriptor WantAuthnRequestsSigned="true" '
    )
    await house.add_provider(
        "ByDetail", metadata(entity_id="https://d.example.com"), RequestSigningAlgorithm="rsa-sha256"
    )
    await house.add_provider("ByMetadata", wanting)
    client_id = await house.add_client("ByDetail", "ByMetadata")
    answer = await house.world.get_signing_certificate(user_pool_id=house.pool_id)
    key = x509.load_der_x509_certificate(base64.b64decode(answer["certificate"])).public_key()
    assert isinstance(key, rsa.RSAPublicKey)

    for name in ("ByDetail", "ByMetadata"):
        departure = await house.leave(house.browser(), client_id=client_id, identity_provider=name)
        signed, _, _ = urlsplit(departure.url).query.partition("&Signature=")
        key.verify(base64.b64decode(departure.query["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


async def test_an_address_may_be_written_down_with_the_domain_before_it(house: SamlHouse) -> None:
    spelled = "https://localhost:4800/auth-api-demo/saml2/idpresponse"

    page = await house.sign_in(house.browser(), recipient=spelled, destination=spelled)

    assert "code" in page.answer


@pytest.mark.parametrize(
    ("where", "taken"),
    [
        ("https://auth.example.com", True),
        ("https://auth-api-demo.auth.us-west-2.amazoncognito.com", True),
        ("https://localhost:4800", True),
        ("https://evil.example.com", False),
        ("https://evil.auth.us-west-2.amazoncognito.com.evil.example.com", False),
    ],
)
async def test_a_response_for_another_address_is_not_ours_by_its_name_in_the_host_header(
    house: SamlHouse, where: str, taken: bool
) -> None:
    browser = Browser(saml_pages(house.world, house.records, public_url="https://auth.example.com"), origin=where)
    departure, address = await house.leave(browser), f"{where}/saml2/idpresponse"

    page = await house.respond(
        browser, house.good(departure, recipient=address, destination=address), departure.relay_state
    )

    assert ("code" in page.answer) == taken


async def test_the_session_that_the_browser_had_ends_although_its_cookie_stays_behind(house: SamlHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    kept = house.browser()
    kept.cookies = dict(browser.cookies)

    departure = await house.leave(browser, prompt="login")
    await house.respond(browser, house.good(departure, subject="somebody-else"), departure.relay_state)

    assert await house.is_signed_in(browser)
    assert not await house.is_signed_in(kept)


# --- what does not belong to this browser -----------------------------------------------------------------------------


async def test_a_response_in_another_browser_is_refused_and_leaves_the_first_one_its_sign_in(house: SamlHouse) -> None:
    browser, other = house.browser(), house.browser()
    departure = await house.leave(browser)
    await house.leave(other)
    response = house.good(departure)

    for stranger in (other, house.browser()):
        page = await house.respond(stranger, response, departure.relay_state)
        assert (page.status, NOT_OURS in page.text) == (400, True)

    assert "code" in (await house.respond(browser, response, departure.relay_state)).answer


async def test_a_sign_in_is_finished_once(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)
    held = dict(browser.cookies)
    await house.respond(browser, house.good(departure), departure.relay_state)
    browser.cookies = held

    page = await house.respond(browser, house.good(departure), departure.relay_state)

    assert (page.status, NOT_OURS in page.text) == (400, True)


async def test_a_sign_in_is_over_after_five_minutes(house: SamlHouse) -> None:
    browser, other = house.browser(), house.browser()
    departure, late = await house.leave(browser), await house.leave(other)

    house.world.later(seconds=299)
    assert "code" in (await house.respond(browser, house.good(departure), departure.relay_state)).answer
    house.world.later(seconds=1)
    page = await house.respond(other, house.good(late), late.relay_state)
    assert (page.status, NOT_OURS in page.text) == (400, True)


async def test_the_answer_to_another_request_or_to_none_is_refused(house: SamlHouse) -> None:
    for named in ("_another", None):
        browser = house.browser()
        departure = await house.leave(browser)
        response = house.good(departure, in_response_to=named, response_in_response_to=named)
        told = await refused(house, response, departure, browser)
        assert told["error_description"] == f"{INVALID}The response is not the answer to this request"


async def test_an_assertion_counts_once_even_on_another_server_of_the_pool(house: SamlHouse) -> None:
    browser, other = house.browser(), house.browser()
    departure = await house.leave(browser)
    response = house.good(departure)
    await house.respond(browser, response, departure.relay_state)
    second = await house.leave(other)
    other.pages = saml_pages(house.world, house.records)

    again = replace(response, in_response_to=second.request_id, response_in_response_to=second.request_id)
    told = await refused(house, again, second, other)

    assert told["error_description"] == f"{INVALID}The assertion has been used before"


async def test_a_provider_that_was_made_anew_meanwhile_is_another_one(house: SamlHouse) -> None:
    await house.add_provider("Gone", metadata(entity_id="https://gone.example.com"))
    client_id = await house.add_client("Gone", "COGNITO")
    browser = house.browser()
    departure = await house.leave(browser, client_id=client_id, identity_provider="Gone")
    response = house.good(departure, issuer="https://gone.example.com", response_issuer=None)

    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Gone")
    house.world.later(seconds=1)
    await house.add_provider("Gone", metadata(entity_id="https://gone.example.com"))
    page = await house.respond(browser, response, departure.relay_state)

    assert page.answer["error_description"] == "The identity provider Gone does not exist"


# --- what the provider does not vouch for -----------------------------------------------------------------------------

LATER = timedelta(hours=2)
WRONG: dict[str, dict[str, Any]] = {
    "unsigned": {"sign": "nothing"},
    "signed by another key": {"key": OTHER_KEY},
    "of another issuer": {"issuer": "https://evil.example.com", "response_issuer": None},
    "for another audience": {"audiences": ("urn:amazon:cognito:sp:us-west-2_Another",)},
    "for no audience": {"audiences": ()},
    "sent to another destination": {"destination": "https://evil.example.com/saml2/idpresponse"},
    "for another recipient": {"recipient": "https://evil.example.com/saml2/idpresponse"},
    "without a recipient": {"recipient": None},
    "of nobody": {"subject": ""},
    "encrypted although we have no key": {"encrypt": "gcm"},
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
@pytest.mark.parametrize("signed", ["assertion", "response"])
async def test_a_response_that_proves_nothing_is_refused(house: SamlHouse, wrong: str, signed: str) -> None:
    browser = house.browser()
    departure = await house.leave(browser)

    told = await refused(house, house.good(departure, **{"sign": signed, **WRONG[wrong]}), departure, browser)

    assert told["error"] == "server_error"
    assert told["error_description"].startswith(INVALID)
    assert house.records.kept[-1].outcome == "refused"


async def test_times_are_held_to_the_second(house: SamlHouse) -> None:
    now, five = house.now, timedelta(minutes=5)
    times: list[tuple[dict[str, Any], bool]] = [
        ({"not_on_or_after": now}, False),
        ({"not_on_or_after": now + SECOND}, True),
        ({"confirmed_until": now}, False),
        ({"confirmed_until": now + SECOND}, True),
        ({"not_before": now + five + SECOND}, False),
        ({"not_before": now + five}, True),
        ({"issued_at": now + five + SECOND}, False),
        ({"session_not_on_or_after": now}, False),
    ]
    for changes, taken in times:
        page = await house.sign_in(house.browser(), **changes)
        assert ("code" in page.answer) == taken, changes


async def test_a_session_ends_with_the_providers_own_where_that_says_when(house: SamlHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser, session_not_on_or_after=house.now + timedelta(minutes=10))

    house.world.later(minutes=10, seconds=-1)
    assert await house.is_signed_in(browser)
    house.world.later(seconds=1)
    assert not await house.is_signed_in(browser)


@pytest.mark.parametrize("number", sorted(WRAPPINGS))
async def test_a_wrapped_signature_is_refused(house: SamlHouse, number: int) -> None:
    browser = house.browser()
    departure = await house.leave(browser)

    told = await refused(house, wrapped(house.good(departure), number), departure, browser)

    assert told["error_description"].startswith(INVALID)


async def test_a_signature_that_was_taken_away_is_missed(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)
    root = etree.fromstring(house.good(departure, sign="both").document())
    for signature in list(root.iter("{http://www.w3.org/2000/09/xmldsig#}Signature")):
        signature.getparent().remove(signature)

    told = await refused(house, etree.tostring(root), departure, browser)

    assert told["error_description"] == f"{INVALID}Response signature invalid"


async def test_sha1_is_refused(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)
    root = etree.fromstring(house.good(departure, sign="nothing").document())
    signed = sign_with_sha1(root, method=SignatureMethod.RSA_SHA1, digest=DigestAlgorithm.SHA1)

    told = await refused(house, etree.tostring(signed), departure, browser)

    assert told["error_description"] == f"{INVALID}Response signature invalid"


async def test_a_comment_does_not_cut_a_name_short(house: SamlHouse) -> None:
    """CVE-2017-11427: a comment is not signed, and a reader that takes the text before it reads another name."""
    browser = house.browser()
    departure = await house.leave(browser)
    text = house.good(departure, subject="admin@example.com.evil.example.org").document()

    told = await refused(house, text.replace(b"admin@example.com.", b"admin@example.com<!---->."), departure, browser)

    assert told["error_description"].startswith(INVALID)


BOMB = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 9))


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/evil.dtd"><r/>',
        f'<!DOCTYPE r [<!ENTITY b0 "b">{BOMB}]><r>&b8;</r>'.encode(),
        b"not xml",
        b"<r ID='_a'><a ID='_a'/></r>",
        b"<a>" * 10_000,
        b"<r>" + b" " * 262_144 + b"</r>",
    ],
    ids=["external entity", "external DTD", "entity bomb", "no XML", "an id twice", "deep", "too long"],
)
async def test_a_hostile_document_is_refused(house: SamlHouse, document: bytes) -> None:
    browser = house.browser()
    departure = await house.leave(browser)

    told = await refused(house, document, departure, browser)

    assert told["error_description"].startswith(INVALID)


async def test_a_deflated_response_is_not_inflated(house: SamlHouse) -> None:
    """Responses come by POST, which does not compress: a small text that would grow without end stays small."""
    import zlib

    bomb = zlib.compress(b"<r>" + b" " * 10_000_000 + b"</r>", 9)[2:-4]
    browser = house.browser()
    departure = await house.leave(browser)

    assert (await refused(house, bomb, departure, browser))["error_description"].startswith(INVALID)


async def test_forms_that_are_none_or_too_large_are_refused(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)
    good = {"SAMLResponse": house.good(departure).encoded(), "RelayState": departure.relay_state}

    forms: list[dict[str, str]] = [
        {},
        {"RelayState": departure.relay_state},
        {"SAMLResponse": good["SAMLResponse"]},
        {**good, "SAMLResponse": "%%%"},
        {**good, "RelayState": "made-up"},
    ]
    for form in forms:
        page = await house.post(browser, "/saml2/idpresponse", form)
        assert (page.status, NOT_OURS in page.text) == (400, True), form
    twice = await browser.request(
        "POST",
        "/saml2/idpresponse",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode([*good.items(), *good.items()]).encode(),
    )
    assert (twice.status, NOT_OURS in twice.text) == (400, True)
    json = await browser.request("POST", "/saml2/idpresponse", headers={"content-type": "application/json"}, body=b"{}")
    assert json.status == 415
    assert (await browser.get("/saml2/idpresponse?SAMLResponse=x")).status == 405
    large = await house.post(browser, "/saml2/idpresponse", {**good, "more": "x" * 524_288})
    assert large.status == 413
    assert "code" in (await house.post(browser, "/saml2/idpresponse", good)).answer


async def test_another_provider_of_the_pool_does_not_vouch_for_this_one(house: SamlHouse) -> None:
    """Nor does one that borrows the name: what counts is the key in the metadata."""
    other = metadata(certificate_of(OTHER_KEY), entity_id="https://other.example.com")
    await house.add_provider("Other", other)
    browser = house.browser()
    departure = await house.leave(browser)
    theirs = {"key": OTHER_KEY, "response_issuer": None}

    told = await refused(house, house.good(departure, issuer="https://other.example.com", **theirs), departure, browser)
    assert told["error_description"].startswith(INVALID)
    departure = await house.leave(browser)
    told = await refused(house, house.good(departure, **theirs), departure, browser)
    assert told["error_description"] == f"{INVALID}Response signature invalid"


async def test_a_name_that_is_made_for_a_session_makes_no_user(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)

    told = await refused(house, house.good(departure, name_format=TRANSIENT), departure, browser)
    assert told["error_description"] == f"{INVALID}The NameID is transient"

    await house.add_provider("Transient", metadata(entity_id="https://transient.example.com"))
    await house.world.update_identity_provider(
        user_pool_id=house.pool_id, provider_name="Transient", attribute_mapping={"username": "uid"}
    )
    client_id = await house.add_client("Transient", "COGNITO")
    departure = await house.leave(browser, client_id=client_id, identity_provider="Transient")
    named = house.good(
        departure,
        name_format=TRANSIENT,
        issuer="https://transient.example.com",
        response_issuer=None,
        attributes={"uid": ["erin"]},
    )
    assert "code" in (await house.respond(browser, named, departure.relay_state)).answer


async def test_a_refusal_at_the_provider_is_told_as_access_denied(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser)
    status = "urn:oasis:names:tc:SAML:2.0:status:Responder"

    told = await refused(house, house.good(departure, status=status), departure, browser)

    assert told["error"] == "access_denied"


async def test_max_age_is_held_against_the_providers_own_moment(house: SamlHouse) -> None:
    browser = house.browser()
    departure = await house.leave(browser, max_age="60")
    assert departure.message.get("ForceAuthn") == "true"
    # The assertion says that the person was authenticated ten minutes ago.
    old = house.good(departure, now=house.now - timedelta(minutes=10))
    fresh = replace(old, not_before=house.now, not_on_or_after=house.now + LATER, confirmed_until=house.now + LATER)

    told = await refused(house, fresh, departure, browser)

    assert told["error_description"] == f"{INVALID}The authentication is too old"
    departure = await house.leave(browser, max_age="60")
    assert "code" in (await house.respond(browser, house.good(departure), departure.relay_state)).answer


async def test_what_the_directory_refuses_is_told_to_the_app(house: SamlHouse) -> None:
    browser = house.browser()
    await house.sign_in(house.browser(), subject="felix")
    await house.world.admin_disable_user(user_pool_id=house.pool_id, username="Corp_felix")
    departure = await house.leave(browser)

    told = await refused(house, house.good(departure, subject="felix"), departure, browser)

    assert (told["error"], told["error_description"]) == ("invalid_request", "User is not enabled.")


async def test_without_metadata_that_stands_nobody_is_sent_or_taken(house: SamlHouse) -> None:
    from support.saml import instant

    ends = instant(house.now + timedelta(minutes=1))
    await house.add_provider(
        "Ending", metadata(entity_id="https://ending.example.com", attributes=f' validUntil="{ends}"')
    )
    client_id = await house.add_client("Ending", "COGNITO")
    browser = house.browser()
    departure = await house.leave(browser, client_id=client_id, identity_provider="Ending")
    house.world.later(minutes=1)
    response = house.good(departure, issuer="https://ending.example.com", response_issuer=None)
    problem = "The identity provider's metadata is not available"

    page = await house.respond(browser, response, departure.relay_state)
    assert page.answer["error_description"] == problem
    query = authorize_query(client_id=client_id, identity_provider="Ending")
    assert (await browser.get(f"/oauth2/authorize?{query}")).answer["error_description"] == problem


# --- encrypted --------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sealed(house: SamlHouse) -> tuple[str, rsa.RSAPublicKey]:
    """A client of a provider that has to encrypt, and the key that it encrypts for."""
    shown = await house.add_provider(
        "Sealed", metadata(entity_id="https://sealed.example.com"), EncryptedResponses="true"
    )
    key = x509.load_der_x509_certificate(base64.b64decode(shown["ActiveEncryptionCertificate"])).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return await house.add_client("Sealed", "COGNITO"), key


@pytest.mark.parametrize("mode", ["gcm", "cbc"])
async def test_an_assertion_that_is_encrypted_for_the_pool_is_taken(
    house: SamlHouse, sealed: tuple[str, rsa.RSAPublicKey], mode: str
) -> None:
    client_id, key = sealed
    browser = house.browser()
    departure = await house.leave(browser, client_id=client_id, identity_provider="Sealed")
    mine = {"issuer": "https://sealed.example.com", "response_issuer": None, "encrypt_for": key}

    page = await house.respond(browser, house.good(departure, encrypt=mode, **mine), departure.relay_state)

    assert "code" in page.answer


async def test_a_plain_or_wrongly_encrypted_assertion_is_refused_where_encryption_is_required(
    house: SamlHouse, sealed: tuple[str, rsa.RSAPublicKey]
) -> None:
    client_id, key = sealed
    mine = {"issuer": "https://sealed.example.com", "response_issuer": None, "encrypt_for": key}
    for changes in (
        {},
        {"encrypt": "gcm", "encrypt_for": OTHER_KEY.public_key()},
        {"encrypt": "gcm", "key_transport": "pkcs1"},
        {"encrypt": "cbc", "sign": "nothing"},
        {"encrypt": "gcm", "key": OTHER_KEY},
    ):
        browser = house.browser()
        departure = await house.leave(browser, client_id=client_id, identity_provider="Sealed")
        page = await house.respond(browser, house.good(departure, **{**mine, **changes}), departure.relay_state)
        assert page.answer["error_description"] == f"{INVALID}The assertion cannot be decrypted", changes


# --- begun by the provider --------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_client(house: SamlHouse) -> str:
    """A client of a provider that may begin sign-ins itself."""
    await house.add_provider("Portal", metadata(entity_id="https://portal.example.com"), IDPInit="true")
    return await house.add_client("Portal", "COGNITO")


def relay(client_id: str, **changes: str | None) -> str:
    query = {"code_challenge": None, "code_challenge_method": None, "state": None, **changes}
    return authorize_query(**{"client_id": client_id, "identity_provider": "Portal", **query})


def unasked(house: SamlHouse, **changes: Any) -> Response:
    return house.good(**{"issuer": "https://portal.example.com", "response_issuer": None, **changes})


async def test_a_provider_that_may_begin_sign_ins_does(house: SamlHouse, open_client: str) -> None:
    browser = house.browser()

    page = await house.respond(browser, unasked(house), relay(open_client))

    assert page.location.startswith(f"{CALLBACK}?code=")


async def test_a_response_that_nobody_asked_for_is_refused_elsewhere(house: SamlHouse, open_client: str) -> None:
    cases: dict[str, tuple[Response, str]] = {
        "IDPInit is off": (house.good(), relay(house.client_id, identity_provider="Corp")),
        "no provider": (unasked(house), relay(open_client, identity_provider=None)),
        "the pool itself": (unasked(house), relay(open_client, identity_provider="COGNITO")),
        "another client's provider": (unasked(house), relay(house.client_id)),
        "it answers a request": (unasked(house, in_response_to="_q", response_in_response_to="_q"), relay(open_client)),
        "unsigned": (unasked(house, sign="nothing"), relay(open_client)),
        "another provider's": (house.good(), relay(open_client)),
        "another address": (unasked(house), relay(open_client, redirect_uri="https://evil.example.com/")),
        "another client": (unasked(house), relay("nobody")),
    }
    for why, (response, relay_state) in cases.items():
        browser = house.browser()
        page = await house.respond(browser, response, relay_state)
        assert "code=" not in (page.header("location") or ""), why
        assert not (page.header("location") or "").startswith("https://evil.example.com"), why
        assert not await house.is_signed_in(browser), why


async def test_an_unasked_response_counts_once(house: SamlHouse, open_client: str) -> None:
    response = unasked(house)
    await house.respond(house.browser(), response, relay(open_client))

    page = await house.respond(house.browser(), response, relay(open_client))

    assert (page.status, NOT_OURS in page.text) == (400, True)
    assert "a replay" in house.records.last_reason


async def test_an_unasked_response_counts_once_although_a_second_confirmation_of_it_holds_for_longer(
    house: SamlHouse, open_client: str
) -> None:
    first = (
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
        f'Recipient="{CONSUMER}" NotOnOrAfter="{instant(house.now + SECOND)}"/></saml:SubjectConfirmation>'
    )
    response = unasked(house, in_subject=first)
    assert "code" in (await house.respond(house.browser(), response, relay(open_client))).answer
    house.world.later(seconds=1)

    page = await house.respond(house.browser(), response, relay(open_client))

    assert (page.status, NOT_OURS in page.text) == (400, True)
    assert "a replay" in house.records.last_reason


async def test_the_answer_to_a_request_is_not_taken_as_unasked(house: SamlHouse, open_client: str) -> None:
    """Else whoever steals a response would have no need of the browser that asked."""
    browser = house.browser()
    departure = await house.leave(browser, client_id=open_client, identity_provider="Portal")
    response = unasked(house, in_response_to=departure.request_id, response_in_response_to=departure.request_id)

    page = await house.respond(house.browser(), response, relay(open_client))

    assert (page.status, NOT_OURS in page.text) == (400, True)
    assert parse_qs(urlsplit(departure.url).query)["RelayState"] == [departure.relay_state]


async def test_an_unasked_response_counts_once_for_all_names_that_a_pool_has_for_its_issuer(
    house: SamlHouse, open_client: str
) -> None:
    await house.add_provider("Again", metadata(entity_id="https://portal.example.com"), IDPInit="true")
    client_id = await house.add_client("Again", "COGNITO")
    response = unasked(house)
    assert "code" in (await house.respond(house.browser(), response, relay(open_client))).answer

    page = await house.respond(house.browser(), response, relay(client_id, identity_provider="Again"))

    assert (page.status, NOT_OURS in page.text) == (400, True)


async def test_the_pools_function_says_which_attributes_count(house: SamlHouse) -> None:
    """InboundFederation: it is told what the assertion says, and cannot make another person of it."""
    arn = house.world.functions.answers("inbound", userAttributesToMap={"mail": "chosen@example.com", "sub": "admin"})
    config = LambdaConfig(inbound_federation=VersionedTrigger(lambda_version="V1_0", lambda_arn=arn))
    await house.world.update_user_pool(user_pool_id=house.pool_id, lambda_config=config)
    browser = house.browser()

    claims = await house.claims(browser, await house.sign_in(browser, subject="lisa"))

    assert house.world.functions.events[-1]["request"]["attributes"] == {"samlResponse": {"mail": "carol@example.com"}}
    assert (claims["cognito:username"], claims["email"]) == ("Corp_lisa", "chosen@example.com")
    await house.world.update_user_pool(user_pool_id=house.pool_id, lambda_config=LambdaConfig())
