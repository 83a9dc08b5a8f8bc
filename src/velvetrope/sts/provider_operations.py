"""AssumeRoleWithWebIdentity and AssumeRoleWithSAML: roles for whom somebody else vouches. The calls are not signed.

A web identity token is an identity pool's, or one of an OpenID Connect provider that the role's account has registered
with IAM; the issuer it names decides which. A SAML response is of the provider that the call names.

Refused by name, because no parameter here bears them: `ProviderId` (access tokens of social providers) and
`ProvidedContexts`.

Sources: AWS STS API reference; texts as listed in the project's reference on STS, section 1.3.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from velvetrope.errors import ServiceError
from velvetrope.operations import Answer, Call, operation
from velvetrope.sts.assumption import AssumedRole, RoleAssumption, RoleSessionRequest
from velvetrope.sts.errors import (
    AccessDenied,
    ExpiredTokenException,
    IDPRejectedClaim,
    InvalidIdentityToken,
    RoleNotAssumable,
)
from velvetrope.sts.open_id_tokens import OpenIdProviders
from velvetrope.sts.providers import WebIdentity, WebIdentityTokens
from velvetrope.sts.saml_assertions import (
    AssertionRefused,
    AssertionTooOld,
    RoleNotOffered,
    SamlAssertions,
    SamlRoleIdentity,
)
from velvetrope.sts.session_limits import check_packed_size, merge_tags
from velvetrope.sts.session_requests import (
    PolicyDescriptor,
    SessionPolicies,
    account_of_role,
    render_role_session,
    request_keys,
)
from velvetrope.tokens import (
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    WrongTokenUse,
    claimed_issuer,
)

__all__ = ["DEFAULT_ROLE_SECONDS", "ProviderOperations"]

DEFAULT_ROLE_SECONDS: Final = 3600
_NO_WEB_IDENTITY: Final = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
_NO_SAML: Final = "Not authorized to perform sts:AssumeRoleWithSAML"


class _Vouched(Protocol):
    """What a provider says of the session that somebody asks for."""

    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def transitive_tag_keys(self) -> tuple[str, ...]: ...
    @property
    def source_identity(self) -> str | None: ...


class ProviderOperations:
    """Roles for identities of providers. What is not given vouches for nobody."""

    def __init__(
        self,
        assumption: RoleAssumption,
        session_policies: SessionPolicies,
        *,
        web_identity_tokens: WebIdentityTokens,
        open_id_providers: OpenIdProviders | None,
        saml_assertions: SamlAssertions | None,
    ) -> None:
        self._assumption = assumption
        self._session_policies = session_policies
        self._web_identity_tokens = web_identity_tokens
        self._open_id_providers = open_id_providers
        self._saml_assertions = saml_assertions

    @operation
    async def assume_role_with_web_identity(
        self,
        call: Call,
        *,
        role_arn: str,
        role_session_name: str,
        web_identity_token: str,
        policy: str | None = None,
        policy_arns: tuple[PolicyDescriptor, ...] = (),
        duration_seconds: int = DEFAULT_ROLE_SECONDS,
    ) -> Answer:
        """Credentials of a role, for whoever holds a token of a provider that it trusts."""
        identity = await self._verify_web_identity(web_identity_token, account_of_role(role_arn), call.now)
        request, packed = await self._request(
            call, role_arn, role_session_name, identity, policy, policy_arns, duration_seconds
        )
        try:
            assumed = await self._assumption.assume_role_with_web_identity(
                request, provider=identity.provider, claims=identity.claims
            )
        except RoleNotAssumable as error:
            raise AccessDenied(_NO_WEB_IDENTITY, detail=error.detail) from error
        return {
            **_render(assumed, request, packed),
            "subject_from_web_identity_token": identity.subject,
            "audience": identity.audience,
            "provider": identity.provider,
        }

    @operation
    async def assume_role_with_saml(
        self,
        call: Call,
        *,
        role_arn: str,
        principal_arn: str,
        saml_assertion: str,
        policy: str | None = None,
        policy_arns: tuple[PolicyDescriptor, ...] = (),
        duration_seconds: int = DEFAULT_ROLE_SECONDS,
    ) -> Answer:
        """Credentials of a role, for whoever holds a SAML provider's word that offers it."""
        account_of_role(role_arn)
        identity = await self._verify_saml(saml_assertion, principal_arn, role_arn, call.now)
        request, packed = await self._request(
            call,
            role_arn,
            identity.session_name,
            identity,
            policy,
            policy_arns,
            duration_seconds,
            not_after=identity.not_after,
        )
        try:
            assumed = await self._assumption.assume_role_with_saml(
                request, provider=identity.provider, keys=identity.keys, session_keys=identity.session_keys
            )
        except RoleNotAssumable as error:
            raise AccessDenied(_NO_SAML, detail=error.detail) from error
        return {
            **_render(assumed, request, packed),
            "subject": identity.subject,
            "subject_type": identity.subject_type,
            "issuer": identity.issuer,
            "audience": identity.audience,
            "name_qualifier": identity.name_qualifier,
        }

    async def _request(
        self,
        call: Call,
        role_arn: str,
        session_name: str,
        identity: _Vouched,
        policy: str | None,
        policy_arns: Sequence[PolicyDescriptor],
        duration_seconds: int,
        not_after: datetime | None = None,
    ) -> tuple[RoleSessionRequest, int]:
        """The session that is asked for, and how much of its space it uses, in percent."""
        managed = await self._session_policies.load(policy, policy_arns, account_id=account_of_role(role_arn))
        tags, transitive = merge_tags(list(identity.tags.items()), identity.transitive_tag_keys, inherited={})
        packed = check_packed_size([] if policy is None else [policy], tags, managed=managed)
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=session_name,
            duration_seconds=duration_seconds,
            now=call.now,
            policies=self._session_policies.together(policy, managed),
            tags=tags,
            requested_tags=tags,
            transitive_tag_keys=transitive,
            source_identity=identity.source_identity,
            not_after=not_after,
            context=request_keys(call),
        )
        return request, packed

    async def _verify_web_identity(self, token: str, account_id: str, now: datetime) -> WebIdentity:
        try:
            try:
                return await self._web_identity_tokens.verify_web_identity_token(token, now=now)
            except IssuerMismatch:
                if self._open_id_providers is None:
                    raise
                return await self._open_id_providers.verify_web_identity(token, account_id=account_id, now=now)
        except InvalidToken as error:
            raise _token_refusal(error, token) from error

    async def _verify_saml(self, text: str, provider_arn: str, role_arn: str, now: datetime) -> SamlRoleIdentity:
        from velvetrope.saml import ResponseExpired, SamlRefused, StatusNotSuccess

        if self._saml_assertions is None:
            raise InvalidIdentityToken("Specified provider doesn't exist.")
        try:
            return await self._saml_assertions.verify_for_role(
                text, provider_arn=provider_arn, role_arn=role_arn, now=now
            )
        except RoleNotOffered as finding:
            raise AccessDenied(_NO_SAML, detail=finding.detail) from finding
        except (AssertionTooOld, ResponseExpired) as finding:
            raise ExpiredTokenException(finding.message, detail=finding.detail) from finding
        except StatusNotSuccess as finding:
            raise IDPRejectedClaim(finding.message, detail=finding.detail) from finding
        except (AssertionRefused, SamlRefused) as finding:
            raise InvalidIdentityToken(finding.message, detail=finding.detail) from finding


def _render(assumed: AssumedRole, request: RoleSessionRequest, packed: int) -> dict[str, object]:
    return {
        **render_role_session(assumed),
        "packed_policy_size": packed if request.policies is not None or request.tags else None,
        "source_identity": request.source_identity,
    }


def _token_refusal(error: InvalidToken, token: str) -> ServiceError:
    """STS's code and sentence for what is wrong with a web identity token."""
    if isinstance(error, TokenExpired):
        now, expired_at = int(error.now.timestamp()), int(error.expired_at.timestamp())
        # UNVERIFIED: the reference knows the code and not the sentence.
        return ExpiredTokenException(
            f"Token expired: current date/time {now} must be before the expiration date/time {expired_at}"
        )
    if isinstance(error, IssuerMismatch):
        message = f"No OpenIDConnect provider found in your account for {_claimed_issuer(token)}"
    elif isinstance(error, AudienceMismatch):
        message = "Incorrect token audience"
    elif isinstance(error, NotAToken | WrongTokenUse):
        message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    else:
        message = (
            "Couldn't retrieve verification key from your identity provider,  please reference "
            "AssumeRoleWithWebIdentity documentation for requirements"
        )
    return InvalidIdentityToken(message, detail=error.message)


def _claimed_issuer(token: str) -> str:
    """The `iss` that an unverified token claims, for the refusal's text only."""
    try:
        return claimed_issuer(token)[:255]
    except NotAToken:
        return "the token's issuer"
