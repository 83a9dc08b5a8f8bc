"""SAML providers of a pool: what is saved and shown, metadata behind a URL, and the pool's own keys."""

import base64
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from support.saml import KEY, LOGOUT_SERVICE, OTHER_KEY, certificate_of, instant, metadata
from support.userpools import World, refused
from velvetrope.errors import ReasonError
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, IdentityProvider
from velvetrope.userpools.federation.saml_providers import METADATA_KEPT, METADATA_KEPT_UNHEARD, MetadataUnavailable

URL = "https://idp.example.com/metadata.xml"
SECOND = timedelta(seconds=1)
POST_ONLY = metadata().replace("bindings:HTTP-Redirect", "bindings:SOAP")


async def saved(world: World, pool_id: str, **details: str) -> dict[str, str]:
    answer = await world.create_identity_provider(
        user_pool_id=pool_id, provider_name="Corp", provider_type="SAML", provider_details=details
    )
    shown: dict[str, str] = answer["identity_provider"]["provider_details"]
    return shown


async def kept(world: World, pool_id: str) -> IdentityProvider:
    provider = await ConfigurationStore(world.database).identity_providers.load(pool_id, "Corp")
    assert provider is not None
    return provider


async def test_addresses_of_the_metadata_are_shown_beside_what_was_given(world: World) -> None:
    document = metadata(services=LOGOUT_SERVICE)
    given = {
        "MetadataFile": document,
        "IDPSignout": "true",
        "IDPInit": "true",
        "EncryptedResponses": "true",
        "RequestSigningAlgorithm": "rsa-sha256",
    }

    shown = await saved(world, await world.pool(), **given)

    certificate = x509.load_der_x509_certificate(base64.b64decode(shown.pop("ActiveEncryptionCertificate")))
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert shown == {
        **given,
        "SSORedirectBindingURI": "https://idp.example.com/sso/redirect",
        "SLORedirectBindingURI": "https://idp.example.com/slo",
    }


async def test_what_is_shown_can_be_sent_back_and_not_changed(world: World) -> None:
    pool_id = await world.pool()
    shown = await saved(world, pool_id, MetadataFile=metadata(), EncryptedResponses="true")

    again = await world.update_identity_provider(user_pool_id=pool_id, provider_name="Corp", provider_details=shown)

    assert again["identity_provider"]["provider_details"] == shown
    for name in ("ActiveEncryptionCertificate", "SSORedirectBindingURI", "SLORedirectBindingURI"):
        async with refused("InvalidParameterException", f"{name} is shown and cannot be set."):
            changed = {**shown, name: "https://evil.example.com/"}
            await world.update_identity_provider(user_pool_id=pool_id, provider_name="Corp", provider_details=changed)


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"MetadataFile": metadata(), "MetadataURL": URL}, "Give either MetadataURL or MetadataFile."),
        (
            {"MetadataFile": metadata(), "IDPSignout": "true"},
            "IDPSignout: the SAML metadata has no SingleLogoutService for the HTTP-Redirect binding.",
        ),
        (
            {"MetadataFile": POST_ONLY},
            "Invalid SAML metadata: it has no SingleSignOnService for the HTTP-Redirect binding.",
        ),
        (
            {"MetadataFile": metadata(certificate_of(KEY, ended=True))},
            "Invalid SAML metadata: the signing certificate has expired.",
        ),
        (
            {"MetadataFile": metadata().replace("https://idp.example.com/sso/redirect", "javascript:alert(1)")},
            "SSORedirectBindingURI: javascript:alert(1) is no https URL.",
        ),
        ({"MetadataFile": metadata(), "RequestSigningAlgorithm": "rsa-sha1"}, "RequestSigningAlgorithm must be one of"),
        ({"MetadataFile": metadata(), "IDPInit": "maybe"}, "IDPInit must be one of false, true."),
        ({"MetadataFile": metadata(), "client_id": "us"}, "client_id is not a detail of an identity provider"),
        ({"MetadataURL": "http://idp.example.com/"}, "MetadataURL: http://idp.example.com/ is no https URL."),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_a_provider_that_could_not_work_is_refused(world: World, details: dict[str, str], message: str) -> None:
    async with refused("InvalidParameterException") as refusal:
        await saved(world, await world.pool(), **details)
    assert refusal.value.message.startswith(message)


async def test_one_current_certificate_of_several_is_enough(world: World) -> None:
    document = metadata(certificate_of(OTHER_KEY, ended=True), certificate_of(KEY))

    assert (await saved(world, await world.pool(), MetadataFile=document))["MetadataFile"] == document


# --- metadata behind a URL --------------------------------------------------------------------------------------------


class Documents:
    """What stands behind URLs; None is a server that does not answer."""

    def __init__(self) -> None:
        self.document: str | None = metadata()
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.document is None:
            raise ReasonError("nobody answers")
        return self.document.encode()


@pytest.fixture
async def documents(world: World) -> Documents:
    behind = Documents()
    world.pools.saml.documents = behind
    return behind


async def known_key(world: World, pool_id: str, *, now: datetime | None = None) -> object:
    described = await world.pools.saml.identity_provider(await kept(world, pool_id), now=now or world.now)
    return described.signing_certificates[0].public_key()


async def test_metadata_behind_a_url_is_read_when_it_is_saved_and_kept(world: World, documents: Documents) -> None:
    pool_id = await world.pool()

    shown = await saved(world, pool_id, MetadataURL=URL)

    assert shown == {"MetadataURL": URL, "SSORedirectBindingURI": "https://idp.example.com/sso/redirect"}
    assert await known_key(world, pool_id) == KEY.public_key()
    assert documents.asked == [URL]


async def test_metadata_that_cannot_be_had_or_read_is_refused(world: World, documents: Documents) -> None:
    pool_id = await world.pool()

    documents.document = None
    async with refused("InvalidParameterException", "Unable to retrieve the SAML metadata from MetadataURL."):
        await saved(world, pool_id, MetadataURL=URL)
    documents.document = "<html/>"
    async with refused("InvalidParameterException"):
        await saved(world, pool_id, MetadataURL=URL)


async def test_metadata_is_read_again_after_six_hours(world: World, documents: Documents) -> None:
    pool_id = await world.pool()
    await saved(world, pool_id, MetadataURL=URL)
    documents.document = metadata(certificate_of(OTHER_KEY), services=LOGOUT_SERVICE)

    assert await known_key(world, pool_id, now=world.now + METADATA_KEPT - SECOND) == KEY.public_key()
    assert await known_key(world, pool_id, now=world.now + METADATA_KEPT) == OTHER_KEY.public_key()

    assert (await kept(world, pool_id)).provider_details["SLORedirectBindingURI"] == "https://idp.example.com/slo"
    assert await known_key(world, pool_id, now=world.now + METADATA_KEPT + SECOND) == OTHER_KEY.public_key()
    assert len(documents.asked) == 2


async def test_metadata_that_ends_is_read_again_at_its_end(world: World, documents: Documents) -> None:
    pool_id = await world.pool()
    documents.document = metadata(attributes=f' validUntil="{instant(world.now + timedelta(hours=1))}"')
    await saved(world, pool_id, MetadataURL=URL)
    documents.document = metadata(certificate_of(OTHER_KEY))

    assert await known_key(world, pool_id, now=world.now + timedelta(minutes=59)) == KEY.public_key()
    assert await known_key(world, pool_id, now=world.now + timedelta(hours=1)) == OTHER_KEY.public_key()


async def test_without_news_the_last_metadata_stands_for_a_day(world: World, documents: Documents) -> None:
    pool_id = await world.pool()
    await saved(world, pool_id, MetadataURL=URL)
    documents.document = None

    assert await known_key(world, pool_id, now=world.now + METADATA_KEPT_UNHEARD - SECOND) == KEY.public_key()
    asked = len(documents.asked)
    with pytest.raises(MetadataUnavailable):
        await known_key(world, pool_id, now=world.now + METADATA_KEPT_UNHEARD)
    # A provider that does not answer is not asked with every sign-in.
    assert len(documents.asked) == asked
    documents.document = metadata(certificate_of(OTHER_KEY))
    later = world.now + METADATA_KEPT_UNHEARD + timedelta(minutes=2)
    assert await known_key(world, pool_id, now=later) == OTHER_KEY.public_key()


async def test_a_file_that_has_ended_is_not_believed(world: World) -> None:
    pool_id = await world.pool()
    ends = world.now + timedelta(hours=1)
    await saved(world, pool_id, MetadataFile=metadata(attributes=f' validUntil="{instant(ends)}"'))

    assert await known_key(world, pool_id, now=ends - SECOND) == KEY.public_key()
    with pytest.raises(MetadataUnavailable):
        await known_key(world, pool_id, now=ends)


async def test_without_a_way_to_fetch_a_url_is_refused(world: World) -> None:
    async with refused("InvalidParameterException", "MetadataURL is not fetched by this server; give MetadataFile."):
        await saved(world, await world.pool(), MetadataURL=URL)


# --- the pool's own keys ----------------------------------------------------------------------------------------------


async def test_a_pool_has_one_signing_certificate_for_ten_years(world: World) -> None:
    pool_id, other = await world.pool(), await world.pool()

    first = await world.get_signing_certificate(user_pool_id=pool_id)
    world.later(days=400)
    second = await world.get_signing_certificate(user_pool_id=pool_id)

    assert first == second != await world.get_signing_certificate(user_pool_id=other)
    certificate = x509.load_der_x509_certificate(base64.b64decode(first["certificate"]))
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc > timedelta(days=3650)
    pair = await world.pools.saml.signing_pair(pool_id, now=world.now)
    assert pair.private_key.public_key() == certificate.public_key()


async def test_keys_are_sealed_and_another_pair_opens_assertions(world: World) -> None:
    pool_id = await world.pool()
    await saved(world, pool_id, MetadataFile=metadata(), EncryptedResponses="true")
    await world.get_signing_certificate(user_pool_id=pool_id)
    store = ConfigurationStore(world.database)

    keys: Any = [await store.saml_keys.load(pool_id, use) for use in ("signing", "encryption")]

    assert keys[0].certificate_der != keys[1].certificate_der
    assert all(b"RSA" not in key.private_key_sealed for key in keys)
    opening = await world.pools.saml.decryption_keys(await kept(world, pool_id), now=world.now)
    assert opening[0].public_key() == x509.load_der_x509_certificate(keys[1].certificate_der).public_key()


async def test_a_provider_that_does_not_encrypt_has_no_keys_to_open_with(world: World) -> None:
    pool_id = await world.pool()
    await saved(world, pool_id, MetadataFile=metadata())

    assert await world.pools.saml.decryption_keys(await kept(world, pool_id), now=world.now) == ()


async def test_keys_go_with_their_pool(world: World) -> None:
    pool_id = await world.pool()
    await world.get_signing_certificate(user_pool_id=pool_id)

    await world.delete_user_pool(user_pool_id=pool_id)

    assert await ConfigurationStore(world.database).saml_keys.load(pool_id, "signing") is None
    async with refused("ResourceNotFoundException"):
        await world.get_signing_certificate(user_pool_id=pool_id)


async def test_of_two_keys_made_at_once_the_first_counts(world: World) -> None:
    pool_id = await world.pool()
    store = ConfigurationStore(world.database)
    first = await world.pools.saml.signing_pair(pool_id, now=world.now)
    row = await store.saml_keys.load(pool_id, "signing")
    assert row is not None

    again = await store.save_saml_key(msgspec.structs.replace(row, certificate_der=b"late"))

    assert again.certificate_der == first.certificate_der
