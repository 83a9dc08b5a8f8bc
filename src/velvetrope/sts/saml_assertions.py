"""SAML assertions of the providers that IAM knows: whose they are, and what they prove to AWS.

    assertions = SamlAssertions(providers, region="us-west-2")
    await assertions.verify_provider_assertion(text, provider_arn=arn, now=now)          # a login of an identity pool
    await assertions.verify_for_role(text, provider_arn=arn, role_arn=role, now=now)     # AssumeRoleWithSAML

`velvetrope.saml` verifies the response; here is what AWS asks of it besides. It is sent to AWS's sign-in address (also
a region's, or the provider's own, which ends in `/acs/` and its id) and is for `urn:amazon:webservices` or that
address. It is taken for five minutes after it was issued, as often as it comes, as on AWS: STS is asked once for each
role of a list. Attributes whose names begin with `https://aws.amazon.com/SAML/Attributes/` say which roles, with which
provider, under which session name, tags and source identity; others, by AWS's list of eduPerson, eduOrg, X.500 and
Active Directory names, become `saml:` condition keys of the trust policy. Of those only who the person is
(`saml:namequalifier`, `saml:sub`, `saml:sub_type`) goes into the session.

`SessionDuration` is for sign-in to AWS's console: STS ends a session by `DurationSeconds` and by the response's
`SessionNotOnOrAfter`, whichever comes first. It is checked all the same.

Sources: IAM User Guide, "Configure SAML assertions for the authentication response", "Available keys for SAML-based AWS
STS federation", "Troubleshoot SAML federation with IAM" (the texts); AWS STS API reference, AssumeRoleWithSAML.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.errors import ReasonError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from velvetrope.saml import IdentityProvider, VerifiedAssertion
from velvetrope.tags import is_reserved

__all__ = [
    "AssertionRefused",
    "AssertionTooOld",
    "RoleNotOffered",
    "SamlAssertions",
    "SamlLogin",
    "SamlProviderDirectory",
    "SamlProviderRecord",
    "SamlRoleIdentity",
]

_ATTRIBUTES: Final = "https://aws.amazon.com/SAML/Attributes/"
_AUDIENCE: Final = "urn:amazon:webservices"
_REDEEMED_WITHIN: Final = timedelta(minutes=5)
_SESSION_NAME: Final = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,64}")
_SESSION_SECONDS: Final = range(900, 43_201)
_PRINCIPAL_TAG: Final = f"{_ATTRIBUTES}PrincipalTag:"
_MAX_TAG_KEY, _MAX_TAG_VALUE, _MAX_TAGS = 128, 256, 50
_MAX_NAME: Final = 256
"""What a persistent NameID has at the most (saml-core-2.0-os section 8.3.7); it goes into session tokens."""

_CLAIMS: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_EDU_PERSON: Final = "urn:oid:1.3.6.1.4.1.5923.1.1.1."
_EDU_ORG: Final = "urn:oid:1.3.6.1.4.1.5923.1.2.1."
_CONDITION_KEYS: Final[Mapping[str, str]] = {
    f"{_EDU_PERSON}1": "edupersonaffiliation",
    f"{_EDU_PERSON}2": "edupersonnickname",
    f"{_EDU_PERSON}3": "edupersonorgdn",
    f"{_EDU_PERSON}4": "edupersonorgunitdn",
    f"{_EDU_PERSON}5": "edupersonprimaryaffiliation",
    f"{_EDU_PERSON}6": "edupersonprincipalname",
    f"{_EDU_PERSON}7": "edupersonentitlement",
    f"{_EDU_PERSON}8": "edupersonprimaryorgunitdn",
    f"{_EDU_PERSON}9": "edupersonscopedaffiliation",
    f"{_EDU_PERSON}10": "edupersontargetedid",
    f"{_EDU_PERSON}11": "edupersonassurance",
    f"{_EDU_ORG}2": "eduorghomepageuri",
    f"{_EDU_ORG}3": "eduorgidentityauthnpolicyuri",
    f"{_EDU_ORG}4": "eduorglegalname",
    f"{_EDU_ORG}5": "eduorgsuperioruri",
    f"{_EDU_ORG}6": "eduorgwhitepagesuri",
    "urn:oid:2.5.4.3": "cn",
    "urn:oid:2.5.4.4": "surname",
    "urn:oid:2.5.4.42": "givenname",
    "urn:oid:2.5.4.45": "x500uniqueidentifier",
    "urn:oid:0.9.2342.19200300.100.1.1": "uid",
    "urn:oid:0.9.2342.19200300.100.1.3": "mail",
    "urn:oid:0.9.2342.19200300.100.1.45": "organizationstatus",
    f"{_CLAIMS}name": "name",
    f"{_CLAIMS}givenname": "givenname",
    f"{_CLAIMS}surname": "surname",
    f"{_CLAIMS}emailaddress": "mail",
    "http://schemas.xmlsoap.org/claims/CommonName": "commonname",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "primarygroupsid",
}
"""Condition keys by the attribute that fills them in, without `saml:` and in lower case."""


class SamlProviderRecord(Protocol):
    """As much of a provider as verifying needs."""

    @property
    def arn(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def unique_id(self) -> str: ...
    @property
    def identity_provider(self) -> "IdentityProvider": ...
    @property
    def valid_until(self) -> datetime: ...
    @property
    def decryption_keys(self) -> "tuple[RSAPrivateKey, ...]": ...
    @property
    def encryption_required(self) -> bool: ...


class SamlProviderDirectory(Protocol):
    """Where IAM keeps providers."""

    async def find_saml_provider(self, arn: str) -> SamlProviderRecord | None:
        """The provider of this ARN, or None."""
        ...


class AssertionRefused(ReasonError):
    """What AWS asks of an assertion is not there, or its provider is not."""


class AssertionTooOld(AssertionRefused):
    """The assertion was good, and came too late."""


class RoleNotOffered(AssertionRefused):
    """The assertion does not offer this role with this provider."""


@dataclass(frozen=True, slots=True)
class SamlLogin:
    """Who a verified assertion is about. `audience` is the address that it was sent to, as AWS counts it."""

    provider: str
    subject: str
    audience: str
    claims: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlRoleIdentity:
    """Who a verified assertion stands for in AssumeRoleWithSAML, and the session that it asks for.

    `keys` are condition keys for the trust policy and `session_keys` those that stay with the session, in lower case.
    """

    provider: str
    subject: str
    subject_type: str
    issuer: str
    audience: str
    name_qualifier: str
    session_name: str
    keys: Mapping[str, tuple[str, ...]]
    session_keys: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, str]
    transitive_tag_keys: tuple[str, ...]
    source_identity: str | None
    not_after: datetime | None


class SamlAssertions:
    """Verifies assertions of the SAML providers that accounts have registered with IAM."""

    def __init__(self, providers: SamlProviderDirectory, *, region: str) -> None:
        self._providers = providers
        self._region = region

    async def has_provider(self, provider_arn: str) -> bool:
        """Whether IAM has this provider."""
        return await self._providers.find_saml_provider(provider_arn) is not None

    async def verify_provider_assertion(self, text: str, *, provider_arn: str, now: datetime) -> SamlLogin:
        """Who the base64 response of this provider is about.

        Raises:
            AssertionRefused, velvetrope.saml.SamlRefused: one of their kinds.
        """
        _, assertion = await self._verify(text, provider_arn, now)
        return SamlLogin(provider_arn, assertion.name_id.value, assertion.recipient, assertion.attributes)

    async def verify_for_role(self, text: str, *, provider_arn: str, role_arn: str, now: datetime) -> SamlRoleIdentity:
        """The session of `role_arn` that the base64 response of this provider asks for.

        Raises:
            RoleNotOffered: the response does not name the role along with the provider.
            AssertionRefused, velvetrope.saml.SamlRefused: one of their kinds.
        """
        provider, assertion = await self._verify(text, provider_arn, now)
        _check_role_offered(assertion.attributes, provider, role_arn)
        identity, session_keys = _who(provider, assertion)
        _check_session_duration(assertion.attributes)
        tags, transitive = _tags_of(assertion.attributes)
        return SamlRoleIdentity(
            provider=provider.arn,
            subject=assertion.name_id.value,
            subject_type=session_keys["saml:sub_type"][0],
            issuer=assertion.issuer,
            audience=assertion.recipient,
            name_qualifier=session_keys["saml:namequalifier"][0],
            session_name=_session_name(assertion.attributes),
            keys=MappingProxyType({**_attribute_keys(assertion.attributes), **identity, **session_keys}),
            session_keys=MappingProxyType(session_keys),
            tags=tags,
            transitive_tag_keys=transitive,
            source_identity=_source_identity(assertion.attributes),
            not_after=assertion.session_not_on_or_after,
        )

    async def _verify(
        self, text: str, provider_arn: str, now: datetime
    ) -> "tuple[SamlProviderRecord, VerifiedAssertion]":
        from velvetrope.saml import ANY_REQUEST, verify_response

        provider = await self._providers.find_saml_provider(provider_arn)
        if provider is None or now >= provider.valid_until:
            why = "there is none of this ARN" if provider is None else "its metadata is past validUntil"
            raise AssertionRefused("Specified provider doesn't exist.", detail=why)
        try:
            document = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise AssertionRefused("Invalid base64 SAMLResponse") from None
        addresses = self._addresses(provider)
        # In a thread: what a stranger hands in may cost tens of milliseconds to read.
        assertion = await asyncio.to_thread(
            verify_response,
            document,
            provider=provider.identity_provider,
            audiences={_AUDIENCE, *addresses},
            recipients=addresses,
            # Whether a browser or a tool asked the identity provider is not known here.
            request_id=ANY_REQUEST,
            now=now,
            decryption_keys=provider.decryption_keys,
            encryption_required=provider.encryption_required,
        )
        if len(assertion.name_id.value) > _MAX_NAME:
            raise AssertionRefused(
                "The NameID in AuthnResponse is too long", detail=f"more than {_MAX_NAME} characters"
            )
        if now >= assertion.issued_at + _REDEEMED_WITHIN:
            raise AssertionTooOld("Token must be redeemed within 5 minutes of issuance")
        return provider, assertion

    def _addresses(self, provider: SamlProviderRecord) -> frozenset[str]:
        bases = ("https://signin.aws.amazon.com/saml", f"https://{self._region}.signin.aws.amazon.com/saml")
        return frozenset({*bases, *(f"{base}/acs/{provider.unique_id}" for base in bases)})


def _check_role_offered(attributes: Mapping[str, tuple[str, ...]], provider: SamlProviderRecord, role_arn: str) -> None:
    """One value of `Role` is this role and this provider, in either order; both are of one account."""
    offered = ({part.strip() for part in value.split(",")} for value in attributes.get(f"{_ATTRIBUTES}Role", ()))
    try:
        same_account = parse_arn(role_arn).account_id == provider.account_id
    except InvalidArn:
        same_account = False
    if not same_account or {role_arn, provider.arn} not in offered:
        raise RoleNotOffered(
            "The role is not offered", detail=f"the assertion does not name {role_arn} together with {provider.arn}"
        )


def _who(
    provider: SamlProviderRecord, assertion: "VerifiedAssertion"
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Keys about the assertion, and those about the person that stay with the session."""
    from velvetrope.saml import NAME_ID_FORMAT

    named = f"{provider.account_id}/{provider.name}"
    # SHA-1 because AWS's documentation says how the qualifier is made, and policies compare it; it protects nothing.
    digest = hashlib.sha1(f"{assertion.issuer}{named}".encode(), usedforsecurity=False).digest()
    about: dict[str, tuple[str, ...]] = {
        "saml:aud": (assertion.recipient,),
        "saml:iss": (assertion.issuer,),
        "saml:doc": (named,),
    }
    person: dict[str, tuple[str, ...]] = {
        "saml:namequalifier": (base64.b64encode(digest).decode(),),
        "saml:sub": (assertion.name_id.value,),
        "saml:sub_type": (assertion.name_id.format.removeprefix(NAME_ID_FORMAT),),
    }
    return about, person


def _attribute_keys(attributes: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    keys: dict[str, tuple[str, ...]] = {}
    for name, values in attributes.items():
        key = _CONDITION_KEYS.get(name)
        if key is not None and values:
            keys[f"saml:{key}"] = (*keys.get(f"saml:{key}", ()), *values)
    return keys


def _session_name(attributes: Mapping[str, tuple[str, ...]]) -> str:
    values = attributes.get(f"{_ATTRIBUTES}RoleSessionName", ())
    if len(values) != 1:
        raise AssertionRefused("RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.fullmatch(values[0]):
        raise AssertionRefused("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return values[0]


def _source_identity(attributes: Mapping[str, tuple[str, ...]]) -> str | None:
    values = attributes.get(f"{_ATTRIBUTES}SourceIdentity", ())
    if not values:
        return None
    if len(values) > 1 or not _SESSION_NAME.fullmatch(values[0]) or values[0].startswith("aws:"):
        raise AssertionRefused('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"')
    return values[0]


def _check_session_duration(attributes: Mapping[str, tuple[str, ...]]) -> None:
    values = attributes.get(f"{_ATTRIBUTES}SessionDuration", ())
    good = all(value.isascii() and value.isdecimal() and int(value) in _SESSION_SECONDS for value in values)
    if len(values) > 1 or not good:
        # UNVERIFIED: the sentence.
        raise AssertionRefused("SessionDuration in AuthnResponse must be a number of seconds from 900 to 43200")


def _tags_of(attributes: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Session tags and which of them are transitive. Sentences UNVERIFIED."""
    tags: dict[str, str] = {}
    for name, values in attributes.items():
        if not name.startswith(_PRINCIPAL_TAG):
            continue
        key = name.removeprefix(_PRINCIPAL_TAG)
        if len(values) != 1 or not 1 <= len(key) <= _MAX_TAG_KEY or len(values[0]) > _MAX_TAG_VALUE:
            raise AssertionRefused("A PrincipalTag in AuthnResponse has one value", detail=f"the tag {key[:128]}")
        if is_reserved(key):
            raise AssertionRefused("A PrincipalTag in AuthnResponse has a key of AWS's own", detail=key)
        tags[key] = values[0]
    if len(tags) > _MAX_TAGS:
        raise AssertionRefused(f"An AuthnResponse has {_MAX_TAGS} tags at the most")
    return tags, attributes.get(f"{_ATTRIBUTES}TransitiveTagKeys", ())
