"""SAML responses: what is taken, and each thing that is not."""

import base64
import copy
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from support.saml import (
    ASSERTION,
    AUDIENCE,
    CERTIFICATE,
    EC_KEY,
    ENTITY_ID,
    KEY,
    OTHER_KEY,
    SERVICE_KEY,
    SIGN_IN,
    Response,
    certificate_of,
    instant,
    metadata,
    sign_with_sha1,
)
from support.saml_wrapping import WRAPPINGS, wrapped
from velvetrope.saml import (
    ANY_REQUEST,
    AssertionNotDecryptable,
    AudienceMissing,
    IssuerUnknown,
    MalformedDocument,
    RecipientMismatch,
    RequestMismatch,
    ResponseExpired,
    ResponseNotYetValid,
    SamlRefused,
    SignatureInvalid,
    StatusNotSuccess,
    SubjectNotConfirmed,
    VerifiedAssertion,
    parse_metadata,
    verify_response,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DS = "http://www.w3.org/2000/09/xmldsig#"
GOOD = Response(now=NOW, attributes={"role": ["admin", "reader"]})


def verify(document: bytes | Response, **expected: Any) -> VerifiedAssertion:
    text = document.document() if isinstance(document, Response) else document
    everything = {
        "provider": parse_metadata(metadata()),
        "audiences": {AUDIENCE},
        "recipients": {SIGN_IN},
        "request_id": None,
        "now": NOW,
        **expected,
    }
    return verify_response(text, **everything)


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
def test_a_response_is_taken_if_it_or_its_assertion_is_signed(signed: str) -> None:
    assertion = verify(replace(GOOD, sign=signed, in_subject=""))

    assert (assertion.name_id.value, assertion.issuer) == ("carol@example.com", ENTITY_ID)
    assert assertion.attributes == {"role": ("admin", "reader")}
    assert (assertion.recipient, assertion.audience, assertion.assertion_id) == (SIGN_IN, AUDIENCE, "_a1")
    assert (assertion.session_index, assertion.authenticated_at) == ("_s1", NOW)
    assert assertion.not_on_or_after == NOW + timedelta(hours=1)


def test_a_response_that_nobody_signed_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify(replace(GOOD, sign="nothing"))


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
def test_a_response_signed_with_another_key_is_refused(signed: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(replace(GOOD, sign=signed, key=OTHER_KEY))


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
def test_a_response_that_was_changed_is_refused(signed: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(replace(GOOD, sign=signed).document().replace(b"carol@", b"admin@"))


def test_a_good_response_around_a_forged_assertion_is_refused() -> None:
    inner = etree.fromstring(replace(GOOD, key=OTHER_KEY).document())

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(GOOD.signed(inner)))


def test_each_of_several_keys_of_the_provider_counts() -> None:
    provider = parse_metadata(metadata(certificate_of(OTHER_KEY), CERTIFICATE))

    assert verify(GOOD, provider=provider).name_id.value == "carol@example.com"
    assert verify(replace(GOOD, key=OTHER_KEY), provider=provider).name_id.value == "carol@example.com"


def test_a_key_counts_when_its_certificate_has_expired() -> None:
    provider = parse_metadata(metadata(certificate_of(KEY, ended=True)))

    assert verify(GOOD, provider=provider).name_id.value == "carol@example.com"


def test_elliptic_curves_sign_too() -> None:
    response = replace(GOOD, key=EC_KEY, signature_method=SignatureMethod.ECDSA_SHA256)

    assert verify(response, provider=parse_metadata(metadata(certificate_of(EC_KEY)))).issuer == ENTITY_ID


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1),
    ],
)
def test_sha1_is_refused(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    root = etree.fromstring(replace(GOOD, sign="nothing").document())

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(sign_with_sha1(root, method=method, digest=digest)))


def test_an_hmac_by_the_public_certificate_is_refused() -> None:
    """Who verifies with "the key", whatever the algorithm, lets everybody sign with what everybody knows."""
    root = etree.fromstring(replace(GOOD, sign="nothing").document())
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.HMAC_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    signed = signer.sign(root, key=CERTIFICATE.public_bytes(Encoding.PEM), reference_uri="_r1")

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(signed))


@pytest.mark.parametrize("number", sorted(WRAPPINGS))
def test_a_wrapped_signature_is_refused(number: int) -> None:
    with pytest.raises(SamlRefused):
        verify(wrapped(GOOD, number))


def test_the_signature_of_another_element_is_refused() -> None:
    root = etree.fromstring(GOOD.document())
    signature = root.find(f".//{{{DS}}}Signature")
    root.append(signature)

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(root))


@pytest.mark.parametrize(
    "uri", ["", "#xpointer(id('_a1'))", "#_r1", "http://example.com/a", "file:///etc/passwd"], ids=repr
)
def test_a_reference_to_anything_but_the_element_itself_is_refused(uri: str) -> None:
    root = etree.fromstring(GOOD.document())
    root.find(f".//{{{DS}}}Reference").set("URI", uri)

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(root))


@pytest.mark.parametrize(
    "transform",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/2000/09/xmldsig#base64",
    ],
)
def test_a_transform_that_saml_does_not_need_is_refused(transform: str) -> None:
    root = etree.fromstring(GOOD.document())
    root.findall(f".//{{{DS}}}Transform")[1].set("Algorithm", transform)

    with pytest.raises(SignatureInvalid):
        verify(etree.tostring(root))


def test_a_comment_does_not_cut_a_name_short() -> None:
    """CVE-2017-11427: a comment is not signed, and a reader that takes the text before it reads another name."""
    response = replace(GOOD, subject="admin@example.com.evil.example.org")

    with pytest.raises(MalformedDocument):
        verify(response.document().replace(b"admin@example.com.", b"admin@example.com<!---->."))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not xml",
        b"<a",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
        b"<?xml-stylesheet href='x'?><a/>",
        b"<a/><!-- after -->",
        b"<a ID='x'><b Id='x'/></a>",
        b"<a/>",
        b"<" + b"a" * 300_000 + b"/>",
    ],
    ids=lambda document: repr(document[:20]),
)
def test_a_document_that_is_no_response_is_refused(document: bytes) -> None:
    with pytest.raises(MalformedDocument):
        verify(document)


def test_two_assertions_are_refused_even_if_both_are_good() -> None:
    root = etree.fromstring(GOOD.document())
    second = etree.fromstring(replace(GOOD, identifier="_a2").document())
    root.append(second.find(f"{{{ASSERTION}}}Assertion"))

    with pytest.raises(MalformedDocument):
        verify(etree.tostring(root))


@pytest.mark.parametrize(
    ("wrong", "finding"),
    [
        (replace(GOOD, issuer="https://evil.example.org"), IssuerUnknown),
        (replace(GOOD, response_issuer="https://evil.example.org"), IssuerUnknown),
        (replace(GOOD, status="urn:oasis:names:tc:SAML:2.0:status:Responder"), StatusNotSuccess),
        (replace(GOOD, version="1.1"), MalformedDocument),
        (replace(GOOD, destination="https://sp.example.org/acs"), RecipientMismatch),
        (replace(GOOD, recipient="https://sp.example.org/acs"), RecipientMismatch),
        (replace(GOOD, recipient=None), SubjectNotConfirmed),
        (replace(GOOD, method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"), SubjectNotConfirmed),
        (replace(GOOD, subject=""), SubjectNotConfirmed),
        (replace(GOOD, audiences=["https://sp.example.org"]), AudienceMissing),
        (replace(GOOD, audiences=[]), AudienceMissing),
        (replace(GOOD, in_response_to="_q1"), RequestMismatch),
        (replace(GOOD, response_in_response_to="_q1"), RequestMismatch),
        (replace(GOOD, in_conditions="<x:Unheard xmlns:x='urn:x'/>"), MalformedDocument),
        (replace(GOOD, in_assertion="<x:Unheard xmlns:x='urn:x'/>"), MalformedDocument),
        (replace(GOOD, attributes={"": ["a"]}), MalformedDocument),
        (replace(GOOD, attributes={"role": ["<b>admin</b>"]}), MalformedDocument),
        (
            replace(
                GOOD,
                in_conditions="<saml:AudienceRestriction><saml:Audience>urn:b</saml:Audience></saml:AudienceRestriction>",
            ),
            AudienceMissing,
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_signed_response_that_breaks_a_rule_is_refused(wrong: Response, finding: type[SamlRefused]) -> None:
    with pytest.raises(finding):
        verify(wrong)


def test_one_audience_of_several_is_enough() -> None:
    assert verify(replace(GOOD, audiences=["urn:other", AUDIENCE])).audience == AUDIENCE


def test_one_confirmation_of_several_is_enough() -> None:
    other = (
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
        'Recipient="https://sp.example.org" NotOnOrAfter="2030-01-01T00:00:00Z"/></saml:SubjectConfirmation>'
    )

    assert verify(replace(GOOD, in_subject=other)).recipient == SIGN_IN


def test_an_assertion_counts_until_the_last_of_its_confirmations_ends() -> None:
    """Who keeps in mind that it has counted must not forget it while another confirmation still holds."""
    first = (
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
        f'Recipient="{SIGN_IN}" NotOnOrAfter="{instant(NOW + SECOND)}"/></saml:SubjectConfirmation>'
    )
    two = replace(GOOD, in_subject=first, confirmed_until=NOW + 3 * SECOND)

    assert verify(two).not_on_or_after == NOW + 3 * SECOND
    assert verify(replace(two, not_on_or_after=NOW + 2 * SECOND)).not_on_or_after == NOW + 2 * SECOND


def test_an_assertion_has_an_id_where_the_responses_signature_covers_it_too() -> None:
    response = replace(GOOD, sign="nothing")
    root = etree.fromstring(response.document())
    del root.find(f"{{{ASSERTION}}}Assertion").attrib["ID"]

    with pytest.raises(MalformedDocument):
        verify(etree.tostring(response.signed(root)))


@pytest.mark.parametrize(
    "ends",
    ["not_on_or_after", "confirmed_until", "session_not_on_or_after"],
)
def test_a_response_is_dead_at_its_end_and_not_after_it(ends: str) -> None:
    before = replace(GOOD)
    setattr(before, ends, NOW + SECOND)
    at = replace(GOOD)
    setattr(at, ends, NOW)

    assert verify(before).issuer == ENTITY_ID
    with pytest.raises(ResponseExpired):
        verify(at)


@pytest.mark.parametrize("begins", ["not_before", "issued_at"])
def test_clocks_that_run_ahead_get_five_minutes(begins: str) -> None:
    at = replace(GOOD)
    setattr(at, begins, NOW + timedelta(minutes=5))
    beyond = replace(GOOD)
    setattr(beyond, begins, NOW + timedelta(minutes=5) + SECOND)

    assert verify(at).issuer == ENTITY_ID
    with pytest.raises(ResponseNotYetValid):
        verify(beyond)


def test_the_answer_to_a_request_names_it() -> None:
    answer = replace(GOOD, in_response_to="_q1", response_in_response_to="_q1")

    assert verify(answer, request_id="_q1").in_response_to == "_q1"
    with pytest.raises(RequestMismatch):
        verify(answer, request_id="_q2")
    with pytest.raises(RequestMismatch):
        verify(GOOD, request_id="_q1")


def test_whoever_makes_no_requests_takes_the_answer_to_any() -> None:
    assert verify(replace(GOOD, in_response_to="_q1"), request_id=ANY_REQUEST).in_response_to == "_q1"
    assert verify(GOOD, request_id=ANY_REQUEST).in_response_to is None


@pytest.mark.parametrize("mode", ["gcm", "cbc"])
@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
def test_an_encrypted_assertion_is_read_with_the_key(mode: str, signed: str) -> None:
    response = replace(GOOD, encrypt=mode, sign=signed)

    assert verify(response, decryption_keys=[OTHER_KEY, SERVICE_KEY]).name_id.value == "carol@example.com"


@pytest.mark.parametrize(
    ("wrong", "keys"),
    [
        (replace(GOOD, encrypt="gcm"), []),
        (replace(GOOD, encrypt="gcm"), [OTHER_KEY]),
        (replace(GOOD, encrypt="cbc"), [OTHER_KEY]),
        (replace(GOOD, encrypt="gcm", sign="nothing"), [SERVICE_KEY]),
        (replace(GOOD, encrypt="cbc", sign="nothing"), [SERVICE_KEY]),
        (replace(GOOD, encrypt="gcm", key=OTHER_KEY), [SERVICE_KEY]),
        (replace(GOOD, encrypt="gcm", key_transport="pkcs1"), [SERVICE_KEY]),
    ],
)
def test_what_is_wrong_with_an_encrypted_assertion_is_not_told(wrong: Response, keys: list[Any]) -> None:
    with pytest.raises(AssertionNotDecryptable) as refused:
        verify(wrong, decryption_keys=keys)

    assert refused.value.message == "The assertion cannot be decrypted"


@pytest.mark.parametrize("mode", ["gcm", "cbc"])
def test_every_changed_byte_of_a_ciphertext_gets_the_same_answer(mode: str) -> None:
    """Otherwise the answers would decrypt it: Jager and Somorovsky, "How to Break XML Encryption" (2011)."""
    root = etree.fromstring(replace(GOOD, encrypt=mode).document())
    value = root.findall(".//{http://www.w3.org/2001/04/xmlenc#}CipherValue")[-1]
    ciphertext = base64.b64decode(value.text)

    for place in (0, 15, 16, len(ciphertext) // 2, len(ciphertext) - 17, len(ciphertext) - 1):
        changed = bytearray(ciphertext)
        changed[place] ^= 1
        value.text = base64.b64encode(bytes(changed)).decode()
        with pytest.raises(AssertionNotDecryptable) as refused:
            verify(etree.tostring(root), decryption_keys=[SERVICE_KEY])
        assert refused.value.message == "The assertion cannot be decrypted"


@pytest.mark.parametrize("place", [0, 1])
def test_a_cipher_value_that_is_not_even_ascii_gets_the_same_answer(place: int) -> None:
    root = etree.fromstring(replace(GOOD, encrypt="gcm").document())
    root.findall(".//{http://www.w3.org/2001/04/xmlenc#}CipherValue")[place].text = "\u00e9"

    with pytest.raises(AssertionNotDecryptable):
        verify(etree.tostring(root), decryption_keys=[SERVICE_KEY])


@pytest.mark.parametrize(("others", "taken"), [(7, True), (8, False)])
def test_a_content_key_is_wrapped_for_eight_at_most(others: int, taken: bool) -> None:
    """Each is tried with our private key, and the first is ours only after what is there for others."""
    root = etree.fromstring(replace(GOOD, encrypt="gcm").document())
    ours = root.find(".//{http://www.w3.org/2001/04/xmlenc#}EncryptedKey")
    for _ in range(others):
        another = copy.deepcopy(ours)
        value = another.find(".//{http://www.w3.org/2001/04/xmlenc#}CipherValue")
        value.text = base64.b64encode(bytes(256)).decode()
        ours.addprevious(another)

    with nullcontext() if taken else pytest.raises(AssertionNotDecryptable):
        assert verify(etree.tostring(root), decryption_keys=[SERVICE_KEY]).issuer == ENTITY_ID


def test_the_last_moment_that_some_providers_write_is_one() -> None:
    root = etree.fromstring(replace(GOOD, sign="nothing", session_not_on_or_after=NOW).document())
    statement = root.find(f".//{{{ASSERTION}}}AuthnStatement")
    statement.set("SessionNotOnOrAfter", "9999-12-31T23:59:59.9999999Z")

    ends = verify(etree.tostring(GOOD.signed(root))).session_not_on_or_after

    assert ends == datetime.max.replace(tzinfo=UTC)


def test_a_plain_assertion_is_refused_where_encryption_is_required() -> None:
    with pytest.raises(AssertionNotDecryptable):
        verify(GOOD, encryption_required=True, decryption_keys=[SERVICE_KEY])
    assert verify(replace(GOOD, encrypt="gcm"), encryption_required=True, decryption_keys=[SERVICE_KEY]).issuer


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_no_change_to_a_response_makes_it_say_something_else(data: st.DataObject) -> None:
    """A byte changed, taken away or put in: the response is refused, or says what it said."""
    document = bytearray(GOOD_DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        piece = data.draw(st.binary(max_size=6) | st.sampled_from([b"<!---->", b"<a/>", b' ID="_a1"', b"&amp;"]))
        document[place : place + data.draw(st.integers(0, 4))] = piece

    try:
        found = verify(bytes(document))
    except SamlRefused:
        return
    assert (found.name_id.value, dict(found.attributes)) == ("carol@example.com", {"role": ("admin", "reader")})


GOOD_DOCUMENT = GOOD.document()
