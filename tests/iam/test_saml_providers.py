"""SAML providers of an account: what IAM keeps, shows and refuses."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from support.saml import CERTIFICATE, OTHER_KEY, SERVICE_KEY, certificate_of, metadata, pem_of
from support.stores import open_store
from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.iam.saml_provider_operations import SamlProviderOperations
from velvetrope.iam.saml_providers import SamlProviders
from velvetrope.iam.tags import Tag
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.iam_providers import IamProviderStore, SamlProvider

ACCOUNT = "111111111111"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
KEY, SECOND_KEY = pem_of(SERVICE_KEY), pem_of(OTHER_KEY)


@dataclass
class Providers:
    database: Database

    def __post_init__(self) -> None:
        self.store = IamProviderStore(self.database)
        self.directory = SamlProviders(self.store, MasterKeys.generate(CountingEntropy()), self.database.changes)
        self.owner = SamlProviderOperations(self.store, self.directory, entropy=CountingEntropy())

    async def call(self, operation: str, *, account_id: str = ACCOUNT, **members: Any) -> Any:
        call = Call(ROOT, account_id, "us-west-2", "r", NOW)
        return await implemented_operations(self.owner)[operation](call, **members)

    async def make(self, name: str = "corp", *, document: str | None = None, **members: Any) -> Any:
        return await self.call(
            "create_saml_provider", name=name, saml_metadata_document=document or metadata(), **members
        )

    async def update(self, **members: Any) -> Any:
        return await self.call("update_saml_provider", saml_provider_arn=ARN, **members)

    async def get(self, arn: str = ARN, **members: Any) -> Any:
        return await self.call("get_saml_provider", saml_provider_arn=arn, **members)

    async def key_ids(self) -> list[str]:
        return [key["key_id"] for key in (await self.get())["private_key_list"]]


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    database = await open_store(tmp_path)
    yield Providers(database)
    await database.close()


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


async def test_a_provider_is_shown_as_it_was_made(providers: Providers) -> None:
    made = await providers.make(tags=(Tag(key="team", value="blue"),))

    assert made == {"saml_provider_arn": ARN, "tags": [{"key": "team", "value": "blue"}]}
    shown = await providers.get()
    assert shown.pop("saml_provider_uuid").isalnum()
    assert shown == {
        "saml_metadata_document": metadata(),
        "create_date": NOW,
        "valid_until": NOW.replace(year=2126),
        "tags": [{"key": "team", "value": "blue"}],
        "assertion_encryption_mode": None,
        "private_key_list": [],
    }
    listed = (await providers.call("list_saml_providers"))["saml_provider_list"]
    assert listed == [{"arn": ARN, "valid_until": NOW.replace(year=2126), "create_date": NOW}]


async def test_a_provider_is_valid_until_its_metadata_says(providers: Providers) -> None:
    await providers.make(document=metadata(attributes=' validUntil="2030-01-02T03:04:05Z"'))

    assert (await providers.get())["valid_until"] == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_metadata_that_nobody_could_sign_in_by_is_refused(providers: Providers) -> None:
    refusal = ("InvalidInput", "Could not parse metadata")

    assert await refused(providers.make(document="<a/>" + " " * 1000)) == refusal
    await providers.make()
    assert await refused(providers.update(saml_metadata_document="<a/>")) == refusal
    assert (await providers.get())["saml_metadata_document"] == metadata()


async def test_a_name_is_given_once(providers: Providers) -> None:
    await providers.make()

    assert await refused(providers.make()) == ("EntityAlreadyExists", "SAMLProvider with name corp already exists.")


async def test_there_may_be_a_hundred_and_no_more(providers: Providers) -> None:
    record = SamlProvider(
        arn=ARN, account_id=ACCOUNT, name="x", unique_id="X", metadata_document="", created_at=NOW, valid_until=NOW
    )
    from msgspec.structs import replace

    for number in range(99):
        await providers.store.save_new_saml_provider(replace(record, arn=f"{ARN}{number}"))

    await providers.make("last")
    code, message = await refused(providers.make("one-more"))
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for SAMLProvidersPerAccount: 100")


async def test_new_metadata_takes_effect_at_once(providers: Providers) -> None:
    await providers.make()
    before = await providers.directory.find_saml_provider(ARN)
    await providers.update(saml_metadata_document=metadata(certificate_of(OTHER_KEY)))
    after = await providers.directory.find_saml_provider(ARN)

    assert before is not None
    assert after is not None
    assert before.identity_provider.signing_certificates == (CERTIFICATE,)
    assert [found.public_key() for found in after.identity_provider.signing_certificates] == [OTHER_KEY.public_key()]


async def test_private_keys_are_added_and_removed_and_never_shown(providers: Providers) -> None:
    await providers.make(assertion_encryption_mode="Required", add_private_key=KEY)
    await providers.update(add_private_key=SECOND_KEY)
    first, second = await providers.key_ids()
    found = await providers.directory.find_saml_provider(ARN)

    assert found is not None
    assert found.encryption_required
    assert [pem_of(key) for key in found.decryption_keys] == [KEY, SECOND_KEY]
    assert "PRIVATE KEY" not in str(await providers.get())
    stored = await providers.store.load_saml_provider(ARN)
    assert stored is not None
    assert all(b"PRIVATE KEY" not in key.private_key_sealed for key in stored.private_keys)

    await providers.update(remove_private_key=first)
    assert await providers.key_ids() == [second]


async def test_what_cannot_be_done_with_keys_is_refused(providers: Providers) -> None:
    required = "Unable to set assertion encryption mode to Required because no private key is provided."
    assert await refused(providers.make(assertion_encryption_mode="Required")) == ("InvalidInput", required)
    await providers.make(add_private_key=KEY)
    (key_id,) = await providers.key_ids()

    assert (await refused(providers.update(add_private_key=KEY, remove_private_key=key_id)))[1].startswith(
        "Unable to add and remove private keys in the same request."
    )
    assert (await refused(providers.update()))[1].startswith("Unable to update identity provider.")
    assert (await refused(providers.update(remove_private_key="A" * 26)))[1] == (
        "Failed to remove private key because the Key ID does not match a private key."
    )
    await providers.update(add_private_key=SECOND_KEY)
    assert (await refused(providers.update(add_private_key=KEY)))[1] == "Private key limit of 2 is reached."
    await providers.update(assertion_encryption_mode="Required", remove_private_key=(await providers.key_ids())[0])
    last = (await providers.key_ids())[0]
    assert (await refused(providers.update(remove_private_key=last)))[1] == required


@pytest.mark.parametrize(
    "text",
    [
        "no key",
        pem_of(rsa.generate_private_key(65537, 1024)),
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        .decode(),
    ],
    ids=["none", "short", "encrypted"],
)
async def test_a_private_key_is_rsa_long_enough_and_not_encrypted(providers: Providers, text: str) -> None:
    assert await refused(providers.make(add_private_key=text)) == ("InvalidInput", "Invalid private key.")


async def test_tags_are_set_listed_and_taken_away(providers: Providers) -> None:
    await providers.make()
    tags = (Tag(key="a", value="1"), Tag(key="b", value="2"))
    await providers.call("tag_saml_provider", saml_provider_arn=ARN, tags=tags)
    await providers.call("untag_saml_provider", saml_provider_arn=ARN, tag_keys=("A",))

    listed = await providers.call("list_saml_provider_tags", saml_provider_arn=ARN)
    assert listed["tags"] == [{"key": "b", "value": "2"}]


async def test_a_deleted_provider_is_gone(providers: Providers) -> None:
    await providers.make()
    await providers.call("delete_saml_provider", saml_provider_arn=ARN)

    assert await providers.directory.find_saml_provider(ARN) is None
    missing = ("NoSuchEntity", f"Manifest not found for arn {ARN}")
    assert await refused(providers.get()) == missing
    assert await refused(providers.call("delete_saml_provider", saml_provider_arn=ARN)) == missing
    assert await refused(providers.update(assertion_encryption_mode="Allowed")) == missing


async def test_another_accounts_provider_is_not_found(providers: Providers) -> None:
    await providers.make()

    assert (await refused(providers.get(account_id="222222222222")))[0] == "NoSuchEntity"
    assert (await refused(providers.get(f"arn:aws:iam::{ACCOUNT}:oidc-provider/x")))[0] == "InvalidInput"
    assert (await refused(providers.get("no-arn-at-all-but-long-enough")))[0] == "InvalidInput"
