"""Requests to identity providers: what is in them, by which binding they go, and what their signature covers."""

import base64
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from support.saml import ASSERTION, PROTOCOL, SERVICE_KEY
from velvetrope.saml import HTTP_POST, AuthnRequest, redirect_url

REQUEST = AuthnRequest(
    request_id="_q1",
    issuer="urn:amazon:cognito:sp:us-west-2_A",
    destination="https://idp.example.com/sso",
    consumer_url="https://demo.auth.example.com/saml2/idpresponse?a=1&b=2",
    issued_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    name_id_format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
)


def test_a_request_says_who_asks_and_where_to_answer() -> None:
    root = etree.fromstring(REQUEST.render())

    assert root.tag == f"{{{PROTOCOL}}}AuthnRequest"
    assert dict(root.attrib) == {
        "ID": "_q1",
        "Version": "2.0",
        "IssueInstant": "2026-01-02T03:04:05Z",
        "Destination": "https://idp.example.com/sso",
        "AssertionConsumerServiceURL": "https://demo.auth.example.com/saml2/idpresponse?a=1&b=2",
        "ProtocolBinding": HTTP_POST,
    }
    assert root.findtext(f"{{{ASSERTION}}}Issuer") == "urn:amazon:cognito:sp:us-west-2_A"
    assert root.find(f"{{{PROTOCOL}}}NameIDPolicy").get("AllowCreate") == "true"
    assert etree.fromstring(replace(REQUEST, force_authn=True).render()).get("ForceAuthn") == "true"


def test_a_redirect_carries_the_request_deflated() -> None:
    url = redirect_url(REQUEST, relay_state="state & more")
    query = parse_qs(urlsplit(url).query)

    assert url.startswith("https://idp.example.com/sso?SAMLRequest=")
    assert query["RelayState"] == ["state & more"]
    assert zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), wbits=-15) == REQUEST.render()
    assert "Signature" not in query
    with_query = redirect_url(replace(REQUEST, destination="https://idp.example.com/sso?tenant=1"), relay_state="s")
    assert with_query.startswith("https://idp.example.com/sso?tenant=1&SAMLRequest=")


def test_the_signature_of_a_redirect_covers_everything_before_it() -> None:
    url = redirect_url(REQUEST, relay_state="s", signing_key=SERVICE_KEY)
    signed, _, signature = urlsplit(url).query.partition("&Signature=")
    given = base64.b64decode(parse_qs(f"Signature={signature}")["Signature"][0])
    public = SERVICE_KEY.public_key()

    public.verify(given, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(
            given, signed.replace("RelayState=s", "RelayState=t").encode(), padding.PKCS1v15(), hashes.SHA256()
        )


def test_a_relay_state_of_ours_has_eighty_bytes_at_the_most() -> None:
    assert redirect_url(REQUEST, relay_state="x" * 80)
    with pytest.raises(ValueError, match="80 bytes"):
        redirect_url(REQUEST, relay_state="x" * 81)


@pytest.mark.parametrize("request_id", ["", "1abc", "a b", "a<b"])
def test_a_request_id_is_an_xml_name(request_id: str) -> None:
    with pytest.raises(ValueError, match="XML name"):
        replace(REQUEST, request_id=request_id)
