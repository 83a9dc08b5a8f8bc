"""Metadata of identity providers."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from support.saml import CERTIFICATE, ENTITY_ID, OTHER_KEY, certificate_of, metadata
from velvetrope.saml import HTTP_POST, HTTP_REDIRECT, MalformedMetadata, parse_metadata


def test_metadata_says_who_the_provider_is_and_where_people_sign_in() -> None:
    provider = parse_metadata(metadata())

    assert provider.entity_id == ENTITY_ID
    assert provider.signing_certificates == (CERTIFICATE,)
    assert provider.sign_on_urls == {
        HTTP_POST: "https://idp.example.com/sso/post",
        HTTP_REDIRECT: "https://idp.example.com/sso/redirect",
    }
    assert provider.name_id_formats == ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",)
    assert (provider.valid_until, provider.wants_signed_requests) == (None, False)


def test_metadata_may_end() -> None:
    provider = parse_metadata(metadata(attributes=' validUntil="2030-01-02T03:04:05Z"'))

    assert provider.valid_until == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_key_without_a_use_signs_and_one_for_encryption_does_not() -> None:
    assert parse_metadata(metadata(use="")).signing_certificates == (CERTIFICATE,)
    with pytest.raises(MalformedMetadata):
        parse_metadata(metadata(use=' use="encryption"'))


def test_each_signing_key_is_kept_once() -> None:
    other = certificate_of(OTHER_KEY)

    assert parse_metadata(metadata(CERTIFICATE, other, CERTIFICATE)).signing_certificates == (CERTIFICATE, other)


def test_one_provider_may_stand_in_a_list_and_two_may_not() -> None:
    inner = metadata().partition("?>")[2]
    listed = '<m:EntitiesDescriptor xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata">{}</m:EntitiesDescriptor>'

    assert parse_metadata(listed.format(inner)).entity_id == ENTITY_ID
    with pytest.raises(MalformedMetadata):
        parse_metadata(listed.format(inner * 2))
    with pytest.raises(MalformedMetadata):
        parse_metadata(listed.format(""))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no xml",
        "<a/>",
        metadata(entity_id=""),
        metadata().replace("SAML:2.0:protocol", "SAML:1.1:protocol"),
        metadata().replace("<ds:X509Certificate>", "<ds:X509Certificate>AA"),
        metadata().replace("MII", "***", 1),
        metadata(attributes=' validUntil="tomorrow"'),
        '<!DOCTYPE a [<!ENTITY b "c">]>' + metadata().partition("?>")[2],
    ],
    ids=range(9),
)
def test_what_describes_no_provider_is_refused(document: str) -> None:
    with pytest.raises(MalformedMetadata) as refused:
        parse_metadata(document)

    assert refused.value.message == "Could not parse metadata"


def test_keys_that_are_too_weak_are_refused() -> None:
    with pytest.raises(MalformedMetadata):
        parse_metadata(metadata(certificate_of(rsa.generate_private_key(65537, 1024))))
    with pytest.raises(MalformedMetadata):
        parse_metadata(metadata(certificate_of(dsa.generate_private_key(2048))))
