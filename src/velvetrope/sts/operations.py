"""The operations of STS.

`edge` has verified the signature of all but the two for providers' identities, and judged the callers of
GetFederationToken and GetAccessKeyInfo. AssumeRole is judged here and nowhere else, because the role's trust policy has
a say in it: a caller whom it names needs no policy of its own. GetCallerIdentity and GetSessionToken need no
permission.

A web identity token is an identity pool's, or one of an OpenID Connect provider that the role's account has registered
with IAM; the issuer it names decides which.

Refused by name: `SerialNumber` and `TokenCode`, since we know no multi-factor devices of IAM users that could be
verified; and, because no parameter here bears them, `ProviderId` (access tokens of social providers) and
`ProvidedContexts`.

Sources: AWS STS API reference; texts as listed in the project's reference on STS, section 1.3.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from velvetrope.arn import InvalidArn
from velvetrope.errors import ServiceError
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import Principal, Session
from velvetrope.sts.assumption import AssumedRole, RoleAssumption, RoleSessionRequest, role_arn_parts
from velvetrope.sts.authorization_messages import AuthorizationMessages
from velvetrope.sts.errors import (
    AccessDenied,
    ExpiredTokenException,
    IDPRejectedClaim,
    InvalidAuthorizationMessageException,
    InvalidIdentityToken,
    RoleNotAssumable,
    ValidationError,
)
from velvetrope.sts.managed_policies import ManagedSessionPolicies
from velvetrope.sts.open_id_tokens import OpenIdProviders
from velvetrope.sts.providers import AccessKeyDirectory, WebIdentity, WebIdentityTokens
from velvetrope.sts.saml_assertions import (
    AssertionRefused,
    AssertionTooOld,
    RoleNotOffered,
    SamlAssertions,
    SamlRoleIdentity,
)
from velvetrope.sts.session_limits import check_packed_size, check_session_policy, merge_tags
from velvetrope.sts.sessions import Sessions, TemporaryCredentials
from velvetrope.tokens import (
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    WrongTokenUse,
)

__all__ = ["PolicyDescriptor", "StsOperations", "Tag"]

_DEFAULT_ROLE_SECONDS: Final = 3600
_DEFAULT_TOKEN_SECONDS: Final = 43_200
_ROOT_SECONDS: Final = 3600
_NO_SAML: Final = "Not authorized to perform sts:AssumeRoleWithSAML"

_USER_SESSION_POLICY: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},'
    '{"Effect":"Deny","Action":["iam:*","sts:GetFederationToken","sts:GetSessionToken",'
    '"sts:DecodeAuthorizationMessage","sts:GetAccessKeyInfo"],"Resource":"*"}]}'
)
"""Credentials of GetSessionToken may call no IAM operation (we know no multi-factor sign-in that would lift this) and,
of STS, only AssumeRole and GetCallerIdentity. Source: IAM User Guide, "Comparing the AWS STS API operations"."""


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One session tag."""

    key: str
    value: str


class PolicyDescriptor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A managed policy, named as a session policy."""

    arn: str


class StsOperations:
    """STS, as far as we have it.

    `web_identity_tokens` knows the identity pools' own tokens. What is not given is refused: without
    `open_id_providers` no other token, without `saml_assertions` no assertion, without `managed_policies` any
    `PolicyArns`, and without `authorization_messages` no message is one of ours.
    """

    def __init__(
        self,
        assumption: RoleAssumption,
        sessions: Sessions,
        *,
        access_keys: AccessKeyDirectory,
        web_identity_tokens: WebIdentityTokens,
        open_id_providers: OpenIdProviders | None = None,
        saml_assertions: SamlAssertions | None = None,
        managed_policies: ManagedSessionPolicies | None = None,
        authorization_messages: AuthorizationMessages | None = None,
    ) -> None:
        self._assumption = assumption
        self._sessions = sessions
        self._access_keys = access_keys
        self._web_identity_tokens = web_identity_tokens
        self._open_id_providers = open_id_providers
        self._saml_assertions = saml_assertions
        self._managed_policies = managed_policies
        self._authorization_messages = authorization_messages

    @operation
    async def get_caller_identity(self, call: Call) -> Answer:
        """Who signed the request. No policy can forbid it."""
        principal = call.principal
        return {"user_id": principal.unique_id, "account": principal.account_id, "arn": principal.arn}

    @operation
    async def get_access_key_info(self, call: Call, *, access_key_id: str) -> Answer:
        """The account that an access key belongs to.

        Temporary keys carry no owner in their id and are kept nowhere; those of this server are this account's.
        """
        if access_key_id.startswith("ASIA"):
            return {"account": call.account_id}
        found = await self._access_keys.find_access_key(access_key_id, call.now)
        if found is None:
            # AWS's sentence for a key of nobody's is not known (UNVERIFIED).
            raise ValidationError("The specified value for accessKeyId is invalid.")
        return {"account": found.principal.account_id}

    @operation
    async def decode_authorization_message(self, call: Call, *, encoded_message: str) -> Answer:  # noqa: ARG002
        """Why somebody was refused, from the message that they were given."""
        if self._authorization_messages is None:
            raise InvalidAuthorizationMessageException("The message is not a valid authorization message.")
        return {"decoded_message": self._authorization_messages.decode(encoded_message)}

    @operation
    async def assume_role(
        self,
        call: Call,
        *,
        role_arn: str,
        role_session_name: str,
        policy: str | None = None,
        policy_arns: tuple[PolicyDescriptor, ...] = (),
        duration_seconds: int = _DEFAULT_ROLE_SECONDS,
        tags: tuple[Tag, ...] = (),
        transitive_tag_keys: tuple[str, ...] = (),
        external_id: str | None = None,
        source_identity: str | None = None,
        serial_number: str | None = None,
        token_code: str | None = None,
    ) -> Answer:
        """Credentials of a role, for a caller whom its trust policy lets in."""
        caller = call.principal
        role_account_id = _account_of_role(role_arn)
        _check_no_multi_factor(serial_number, token_code)
        if caller.is_root:
            raise AccessDenied("Roles may not be assumed by root accounts.")
        managed = await self._session_policies(policy, policy_arns, account_id=role_account_id)
        merged, transitive = merge_tags(
            [(tag.key, tag.value) for tag in tags], transitive_tag_keys, inherited=_inherited_tags(caller)
        )
        packed = check_packed_size([] if policy is None else [policy], merged, managed=managed)
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=role_session_name,
            duration_seconds=duration_seconds,
            now=call.now,
            policies=_together(policy, managed),
            tags=merged,
            requested_tags={tag.key: tag.value for tag in tags},
            transitive_tag_keys=transitive,
            source_identity=_source_identity(caller, source_identity, role_arn),
            external_id=external_id,
            context=_request_keys(call),
        )
        try:
            assumed = await self._assumption.assume_role_for_principal(caller, request)
        except RoleNotAssumable as error:
            raise AccessDenied(_not_authorized(caller, error.action, role_arn), detail=error.detail) from error
        return {
            **_role_answer(assumed),
            "packed_policy_size": packed if request.policies is not None or merged else None,
            "source_identity": request.source_identity,
        }

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
        duration_seconds: int = _DEFAULT_ROLE_SECONDS,
    ) -> Answer:
        """Credentials of a role, for whoever holds a token of a provider that it trusts. The call is not signed."""
        role_account_id = _account_of_role(role_arn)
        identity = await self._verify_web_identity(web_identity_token, role_account_id, call.now)
        managed = await self._session_policies(policy, policy_arns, account_id=role_account_id)
        tags, transitive = merge_tags(list(identity.tags.items()), identity.transitive_tag_keys, inherited={})
        packed = check_packed_size([] if policy is None else [policy], tags, managed=managed)
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=role_session_name,
            duration_seconds=duration_seconds,
            now=call.now,
            policies=_together(policy, managed),
            tags=tags,
            requested_tags=tags,
            transitive_tag_keys=transitive,
            source_identity=identity.source_identity,
            context=_request_keys(call),
        )
        try:
            assumed = await self._assumption.assume_role_with_web_identity(
                request, provider=identity.provider, claims=identity.claims
            )
        except RoleNotAssumable as error:
            message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
            raise AccessDenied(message, detail=error.detail) from error
        return {
            **_role_answer(assumed),
            "packed_policy_size": packed if request.policies is not None or tags else None,
            "subject_from_web_identity_token": identity.subject,
            "audience": identity.audience,
            "provider": identity.provider,
            "source_identity": identity.source_identity,
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
        duration_seconds: int = _DEFAULT_ROLE_SECONDS,
    ) -> Answer:
        """Credentials of a role, for whoever holds a SAML provider's word that offers it. The call is not signed."""
        role_account_id = _account_of_role(role_arn)
        identity = await self._verify_saml(saml_assertion, principal_arn, role_arn, call.now)
        managed = await self._session_policies(policy, policy_arns, account_id=role_account_id)
        tags, transitive = merge_tags(list(identity.tags.items()), identity.transitive_tag_keys, inherited={})
        packed = check_packed_size([] if policy is None else [policy], tags, managed=managed)
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=identity.session_name,
            duration_seconds=duration_seconds,
            now=call.now,
            policies=_together(policy, managed),
            tags=tags,
            requested_tags=tags,
            transitive_tag_keys=transitive,
            source_identity=identity.source_identity,
            not_after=identity.not_after,
            context=_request_keys(call),
        )
        try:
            assumed = await self._assumption.assume_role_with_saml(
                request, provider=identity.provider, keys=identity.keys, session_keys=identity.session_keys
            )
        except RoleNotAssumable as error:
            raise AccessDenied(_NO_SAML, detail=error.detail) from error
        return {
            **_role_answer(assumed),
            "packed_policy_size": packed if request.policies is not None or tags else None,
            "subject": identity.subject,
            "subject_type": identity.subject_type,
            "issuer": identity.issuer,
            "audience": identity.audience,
            "name_qualifier": identity.name_qualifier,
            "source_identity": identity.source_identity,
        }

    @operation
    async def get_session_token(
        self,
        call: Call,
        *,
        duration_seconds: int = _DEFAULT_TOKEN_SECONDS,
        serial_number: str | None = None,
        token_code: str | None = None,
    ) -> Answer:
        """Temporary credentials for the user that calls, with the user's own permissions but for IAM and STS.

        Those of the root user last an hour at the most, whatever was asked for.
        """
        caller = call.principal
        _check_no_multi_factor(serial_number, token_code)
        if caller.session is not None or caller.kind not in {"User", "Account"}:
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        seconds = min(duration_seconds, _ROOT_SECONDS) if caller.is_root else duration_seconds
        credentials = self._issue(caller, call.now, seconds, policies=(_USER_SESSION_POLICY,))
        return {"credentials": _render_credentials(credentials)}

    @operation
    async def get_federation_token(
        self,
        call: Call,
        *,
        name: str,
        policy: str | None = None,
        policy_arns: tuple[PolicyDescriptor, ...] = (),
        duration_seconds: int = _DEFAULT_TOKEN_SECONDS,
        tags: tuple[Tag, ...] = (),
    ) -> Answer:
        """Temporary credentials that an IAM user hands to somebody else: the user's permissions AND the policy passed.

        Without a policy they permit nothing that identity policies would have to allow.
        """
        caller = call.principal
        if caller.session is not None or caller.kind not in {"User", "Account"}:
            raise AccessDenied("Cannot call GetFederationToken with session credentials")
        managed = await self._session_policies(policy, policy_arns, account_id=caller.account_id)
        merged, _ = merge_tags([(tag.key, tag.value) for tag in tags], (), inherited={})
        packed = check_packed_size([] if policy is None else [policy], merged, managed=managed)
        arn = f"arn:aws:sts::{caller.account_id}:federated-user/{name}"
        federated = Principal(
            kind="FederatedUser",
            account_id=caller.account_id,
            arn=arn,
            policy_arn=arn,
            unique_id=f"{caller.account_id}:{name}",
            # The issuing user's name: its policies are the most that this session may do.
            name=caller.name,
        )
        seconds = min(duration_seconds, _ROOT_SECONDS) if caller.is_root else duration_seconds
        policies = _together(policy, managed)
        credentials = self._issue(federated, call.now, seconds, policies=policies, tags=merged)
        return {
            "credentials": _render_credentials(credentials),
            "federated_user": {"federated_user_id": federated.unique_id, "arn": arn},
            "packed_policy_size": packed,
        }

    def _issue(
        self,
        principal: Principal,
        now: datetime,
        seconds: int,
        *,
        policies: tuple[str, ...] | None,
        tags: dict[str, str] | None = None,
    ) -> TemporaryCredentials:
        issued_at = now.replace(microsecond=0)
        session = Session(
            issued_at=issued_at,
            expires_at=issued_at + timedelta(seconds=seconds),
            policies=policies,
            tags={} if tags is None else tags,
        )
        return self._sessions.issue(replace(principal, session=session))

    async def _session_policies(
        self, policy: str | None, policy_arns: Sequence[PolicyDescriptor], *, account_id: str
    ) -> tuple[str, ...]:
        """The documents of the managed session policies; the inline one is checked along with them."""
        arns = [descriptor.arn for descriptor in policy_arns]
        check_session_policy(policy, arns)
        if not arns:
            return ()
        if self._managed_policies is None:
            raise ValidationError("PolicyArns is not supported by this velvetrope; an inline Policy is.")
        return await self._managed_policies.load_documents(arns, account_id=account_id)

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
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])[:255]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "the token's issuer"


def _account_of_role(role_arn: str) -> str:
    try:
        return role_arn_parts(role_arn)[0].account_id
    except InvalidArn:
        raise ValidationError(f"{role_arn} is invalid") from None


def _check_no_multi_factor(serial_number: str | None, token_code: str | None) -> None:
    # Taking a code that nobody verified would set aws:MultiFactorAuthPresent for the asking.
    if serial_number is not None or token_code is not None:
        raise ValidationError(
            "SerialNumber and TokenCode are not supported by velvetrope: it knows no multi-factor devices of IAM users."
        )


def _together(policy: str | None, managed: tuple[str, ...]) -> tuple[str, ...] | None:
    """All session policies, inline and managed; None if none was passed."""
    policies = managed if policy is None else (policy, *managed)
    return policies or None


def _inherited_tags(caller: Principal) -> dict[str, str]:
    """The transitive tags of the calling session: they go with it into every role that it assumes."""
    if caller.session is None:
        return {}
    keys = {key.lower() for key in caller.session.transitive_tag_keys}
    return {key: value for key, value in caller.session.tags.items() if key.lower() in keys}


def _source_identity(caller: Principal, requested: str | None, role_arn: str) -> str | None:
    """Once set it stays, through every chain; asking for another is refused."""
    inherited = None if caller.session is None else caller.session.source_identity
    if inherited is not None and requested not in {None, inherited}:
        raise AccessDenied(
            _not_authorized(caller, "sts:SetSourceIdentity", role_arn),
            detail="the calling session has another source identity, which cannot be changed",
        )
    return inherited if requested is None else requested


def _request_keys(call: Call) -> dict[str, tuple[str, ...]]:
    keys: dict[str, tuple[str, ...]] = {
        "aws:sourceip": (call.source_ip,),
        "aws:securetransport": ("true" if call.secure_transport else "false",),
        "aws:requestedregion": (call.region,),
    }
    if call.user_agent:
        keys["aws:useragent"] = (call.user_agent,)
    return keys


def _not_authorized(caller: Principal, action: str, role_arn: str) -> str:
    return f"User: {caller.arn} is not authorized to perform: {action} on resource: {role_arn}"


def _role_answer(assumed: AssumedRole) -> dict[str, object]:
    return {
        "credentials": _render_credentials(assumed.credentials),
        "assumed_role_user": {"assumed_role_id": assumed.principal.unique_id, "arn": assumed.principal.arn},
    }


def _render_credentials(credentials: TemporaryCredentials) -> dict[str, object]:
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": credentials.session_token,
        "expiration": credentials.expiration,
    }
