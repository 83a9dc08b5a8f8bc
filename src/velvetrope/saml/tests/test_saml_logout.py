"""Logout messages: what ours say, what others' have to prove, and every way to be refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from support.saml import ASSERTION, LOGOUT_SERVICE, OTHER_KEY, PROTOCOL, LogoutMessage, metadata, sign_with_sha1
from velvetrope.saml import (
    CLOCK_SKEW,
    HTTP_REDIRECT,
    LogoutRequest,
    LogoutResponse,
    MalformedDocument,
    NameId,
    RecipientMismatch,
    RequestedLogout,
    RequestMismatch,
    ResponseExpired,
    ResponseNotYetValid,
    SamlRefused,
    SignatureInvalid,
    StatusNotSuccess,
    parse_metadata,
    redirect_url,
    verify_logout_request,
    verify_logout_response,
)
from velvetrope.saml.errors import IssuerUnknown, SubjectNotConfirmed

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HERE = "https://sp.example.com/saml2/logout"
PROVIDER = parse_metadata(metadata(services=LOGOUT_SERVICE))
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
ASKED = LogoutMessage(now=NOW)
ANSWERED = LogoutMessage(now=NOW, kind="LogoutResponse", in_response_to="_q1")


def take(document: bytes, now: datetime = NOW) -> RequestedLogout:
    return verify_logout_request(document, provider=PROVIDER, recipients={HERE}, now=now)


def hear(document: bytes, now: datetime = NOW) -> None:
    verify_logout_response(document, provider=PROVIDER, recipients={HERE}, request_id="_q1", now=now)


def test_a_request_of_ours_names_person_and_session() -> None:
    request = LogoutRequest(
        request_id="_q1",
        issuer="urn:amazon:cognito:sp:us-west-2_A",
        destination="https://idp.example.com/slo",
        name_id=NameId("carol", PERSISTENT, name_qualifier="idp"),
        session_index="_s1",
        issued_at=NOW,
    )

    root = etree.fromstring(request.render())

    assert root.tag == f"{{{PROTOCOL}}}LogoutRequest"
    assert root.get("NotOnOrAfter") == "2026-01-02T03:09:05Z"
    name = root.find(f"{{{ASSERTION}}}NameID")
    assert (name.text, dict(name.attrib)) == ("carol", {"Format": PERSISTENT, "NameQualifier": "idp"})
    assert root.findtext(f"{{{PROTOCOL}}}SessionIndex") == "_s1"
    assert etree.fromstring(replace(request, session_index=None).render()).find(f"{{{PROTOCOL}}}SessionIndex") is None
    assert redirect_url(request, relay_state="s").startswith("https://idp.example.com/slo?SAMLRequest=")


def test_an_answer_of_ours_says_what_it_answers_and_repeats_any_relay_state() -> None:
    answer = LogoutResponse(
        response_id="_p1", issuer="us", destination="https://idp.example.com/slo", in_response_to="_l1", issued_at=NOW
    )

    root = etree.fromstring(answer.render())

    assert root.get("InResponseTo") == "_l1"
    assert root.find(f".//{{{PROTOCOL}}}StatusCode").get("Value") == f"{STATUS}Success"
    assert "&RelayState=" + "x" * 200 in redirect_url(answer, relay_state="x" * 200)
    assert "RelayState" not in redirect_url(answer, relay_state=None)


def test_answers_go_to_the_response_location_where_there_is_one() -> None:
    apart = LOGOUT_SERVICE.replace("/>", ' ResponseLocation="https://idp.example.com/slo/done"/>')

    assert PROVIDER.logout_response_urls == {HTTP_REDIRECT: "https://idp.example.com/slo"}
    provider = parse_metadata(metadata(services=apart))
    assert provider.logout_urls == {HTTP_REDIRECT: "https://idp.example.com/slo"}
    assert provider.logout_response_urls == {HTTP_REDIRECT: "https://idp.example.com/slo/done"}


def test_a_signed_request_names_the_person_and_the_sessions() -> None:
    assert take(ASKED.document()) == RequestedLogout(
        request_id="_l1",
        name_id=NameId("carol@example.com", PERSISTENT),
        session_indexes=("_s1",),
        not_on_or_after=NOW + timedelta(minutes=5),
    )
    assert take(replace(ASKED, session_indexes=()).document()).session_indexes == ()


def test_a_signed_answer_is_heard() -> None:
    hear(ANSWERED.document())
    partly = replace(ANSWERED, status=f"{STATUS}Responder", inner_status=f"{STATUS}PartialLogout")
    hear(partly.document())


WRONG: dict[str, tuple[dict[str, Any], type[SamlRefused]]] = {
    "unsigned": ({"sign": False}, SignatureInvalid),
    "signed by another key": ({"key": OTHER_KEY}, SignatureInvalid),
    "of another issuer": ({"issuer": "https://evil.example.com"}, IssuerUnknown),
    "sent to somebody else": ({"destination": "https://other.example.com/saml2/logout"}, RecipientMismatch),
    "sent to nobody": ({"destination": None}, RecipientMismatch),
    "of another version": ({"version": "1.1"}, MalformedDocument),
    "five minutes old": ({"now": NOW - timedelta(minutes=5)}, ResponseExpired),
    "at its own end": ({"not_on_or_after": NOW}, ResponseExpired),
    "from the future": ({"now": NOW + CLOCK_SKEW + SECOND}, ResponseNotYetValid),
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_a_request_or_an_answer_that_breaks_a_rule_is_refused(wrong: str) -> None:
    changes, finding = WRONG[wrong]

    with pytest.raises(finding):
        take(replace(ASKED, **changes).document())
    with pytest.raises(finding):
        hear(replace(ANSWERED, **changes).document())


def test_the_moments_before_a_message_ends_and_after_it_begins_count() -> None:
    assert take(replace(ASKED, now=NOW - timedelta(minutes=5) + SECOND).document()).request_id == "_l1"
    assert take(replace(ASKED, not_on_or_after=NOW + SECOND).document()).request_id == "_l1"
    assert take(replace(ASKED, now=NOW + CLOCK_SKEW).document()).request_id == "_l1"


def test_sha1_is_refused() -> None:
    root = etree.fromstring(replace(ASKED, sign=False).document())

    with pytest.raises(SignatureInvalid):
        take(etree.tostring(sign_with_sha1(root, method=SignatureMethod.RSA_SHA1, digest=DigestAlgorithm.SHA1)))


def test_a_request_that_names_nobody_is_refused() -> None:
    with pytest.raises(SubjectNotConfirmed):
        take(replace(ASKED, subject="").document())


def test_the_one_is_not_taken_for_the_other() -> None:
    with pytest.raises(MalformedDocument):
        take(ANSWERED.document())
    with pytest.raises(MalformedDocument):
        hear(ASKED.document())


def test_a_signed_message_inside_another_one_is_refused() -> None:
    inner = etree.fromstring(ASKED.document())
    outer = etree.fromstring(replace(ASKED, sign=False, subject="mallory@example.com", identifier="_l2").document())
    outer.append(inner)

    with pytest.raises(SignatureInvalid):
        take(etree.tostring(outer))
    outer.append(inner.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    with pytest.raises(SignatureInvalid):
        take(etree.tostring(outer))


@pytest.mark.parametrize("answered", [None, "_other"])
def test_an_answer_to_another_request_is_refused(answered: str | None) -> None:
    with pytest.raises(RequestMismatch):
        hear(replace(ANSWERED, in_response_to=answered).document())


def test_an_answer_that_nobody_was_signed_out_is_refused() -> None:
    with pytest.raises(StatusNotSuccess):
        hear(replace(ANSWERED, status=f"{STATUS}Requester").document())


@pytest.mark.parametrize("document", [b"", b"<a/>", b"<!DOCTYPE a><a/>", b"<a" * 200_000])
def test_a_document_that_is_no_message_is_refused(document: bytes) -> None:
    with pytest.raises(MalformedDocument):
        take(document)
