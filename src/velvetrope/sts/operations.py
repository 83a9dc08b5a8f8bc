"""The operations of STS.

`edge` has verified the signature of all but the two for providers' identities, and judged the callers of
GetFederationToken and GetAccessKeyInfo. AssumeRole is judged here and nowhere else, because the role's trust policy has
a say in it: a caller whom it names needs no policy of its own. GetCallerIdentity and GetSessionToken need no
permission.

The two operations for identities of providers are in `provider_operations`.

Users show a code of an MFA device of theirs with `SerialNumber` and `TokenCode`. In AssumeRole it counts for the call
alone (`aws:MultiFactorAuthPresent` in trust policy and identity policies), in GetSessionToken for the session.

Refused by name, because no parameter here bears it: `ProvidedContexts`.

Sources: AWS STS API reference; texts as listed in the project's reference on STS, section 1.3.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from velvetrope.errors import ReasonError
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import Principal, Session, TemporaryCredentials
from velvetrope.sts.assumption import RoleAssumption, RoleSessionRequest
from velvetrope.sts.authorization_messages import AuthorizationMessages
from velvetrope.sts.errors import (
    AccessDenied,
    InvalidAuthorizationMessageException,
    InvalidClientTokenId,
    RoleNotAssumable,
    ValidationError,
)
from velvetrope.sts.managed_policies import ManagedSessionPolicies
from velvetrope.sts.open_id_tokens import OpenIdProviders
from velvetrope.sts.provider_operations import DEFAULT_ROLE_SECONDS, ProviderOperations
from velvetrope.sts.providers import AccessKeyDirectory, MultiFactorDevices, WebIdentityTokens
from velvetrope.sts.saml_assertions import SamlAssertions
from velvetrope.sts.session_limits import check_packed_size, merge_tags
from velvetrope.sts.session_requests import (
    PolicyDescriptor,
    SessionPolicies,
    Tag,
    account_of_role,
    render_credentials,
    render_role_session,
    request_keys,
)
from velvetrope.sts.sessions import Sessions

__all__ = ["StsOperations"]

_DEFAULT_TOKEN_SECONDS: Final = 43_200
_ROOT_SECONDS: Final = 3600
_CODE_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:multifactorauthpresent": ("true",),
    "aws:multifactorauthage": ("0",),
}

_OF_STS: Final = (
    '"sts:GetFederationToken","sts:GetSessionToken","sts:DecodeAuthorizationMessage","sts:GetAccessKeyInfo"'
)
_USER_SESSION: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},'
    '{"Effect":"Deny","Action":[%s],"Resource":"*"}]}'
)
_USER_SESSION_POLICY: Final = _USER_SESSION % f'"iam:*",{_OF_STS}'
_MFA_SESSION_POLICY: Final = _USER_SESSION % _OF_STS
"""Credentials of GetSessionToken may call, of STS, only AssumeRole and GetCallerIdentity, and no IAM operation unless a
code of an MFA device was shown. Source: IAM User Guide, "Comparing the AWS STS API operations"."""
_FEDERATED_SESSION_POLICY: Final = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["iam:*","sts:*"],"Resource":"*"}}'
)
"""Credentials of GetFederationToken may call nothing of IAM and, of STS, only GetCallerIdentity, which needs no
permission. Source: AWS STS API reference, GetFederationToken, Permissions."""


class StsOperations(ProviderOperations):
    """STS, as far as we have it.

    `web_identity_tokens` knows the identity pools' own tokens. What is not given is refused: without
    `open_id_providers` no other token, without `mfa_devices` any `SerialNumber`, without `saml_assertions` no
    assertion, without `managed_policies` any `PolicyArns`, and without `authorization_messages` no message is one of
    ours.
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
        mfa_devices: MultiFactorDevices | None = None,
        managed_policies: ManagedSessionPolicies | None = None,
        authorization_messages: AuthorizationMessages | None = None,
    ) -> None:
        super().__init__(
            assumption,
            SessionPolicies(managed_policies),
            web_identity_tokens=web_identity_tokens,
            open_id_providers=open_id_providers,
            saml_assertions=saml_assertions,
        )
        self._sessions = sessions
        self._access_keys = access_keys
        self._mfa_devices = mfa_devices
        self._authorization_messages = authorization_messages

    @operation
    async def get_caller_identity(self, call: Call) -> Answer:
        """Who signed the request. No policy can forbid it.

        Sessions of a role that is gone are nobody's any more, also once another role has its name. UNVERIFIED on AWS,
        whose pages say only that such credentials lose every permission; this is the safer reading, and its code for
        credentials that are none.

        Raises:
            InvalidClientTokenId: the role or user of the credentials was deleted.
        """
        principal = call.principal
        if not await self._assumption.caller_stands(principal):
            raise InvalidClientTokenId(detail=f"{principal.policy_arn} is gone, or another one of its name")
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
        duration_seconds: int = DEFAULT_ROLE_SECONDS,
        tags: tuple[Tag, ...] = (),
        transitive_tag_keys: tuple[str, ...] = (),
        external_id: str | None = None,
        source_identity: str | None = None,
        serial_number: str | None = None,
        token_code: str | None = None,
    ) -> Answer:
        """Credentials of a role, for a caller whom its trust policy lets in."""
        caller = call.principal
        role_account_id = account_of_role(role_arn)
        if caller.is_root:
            raise AccessDenied("Roles may not be assumed by root accounts.")
        has_shown_code = await self._spend_code(caller, serial_number, token_code, call.now)
        managed = await self._session_policies.load(policy, policy_arns, account_id=role_account_id)
        merged, transitive = merge_tags(
            [(tag.key, tag.value) for tag in tags], transitive_tag_keys, inherited=_inherited_tags(caller)
        )
        packed = check_packed_size([] if policy is None else [policy], merged, managed=managed)
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=role_session_name,
            duration_seconds=duration_seconds,
            now=call.now,
            policies=self._session_policies.together(policy, managed),
            tags=merged,
            requested_tags={tag.key: tag.value for tag in tags},
            transitive_tag_keys=transitive,
            source_identity=_source_identity(caller, source_identity, role_arn),
            external_id=external_id,
            context={**request_keys(call), **(_CODE_SHOWN if has_shown_code else {})},
        )
        try:
            assumed = await self._assumption.assume_role_for_principal(caller, request)
        except RoleNotAssumable as error:
            raise AccessDenied(_not_authorized(caller, error.action, role_arn), detail=error.detail) from error
        return {
            **render_role_session(assumed),
            "packed_policy_size": packed if request.policies is not None or merged else None,
            "source_identity": request.source_identity,
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
        if caller.session is not None or caller.kind not in {"User", "Account"}:
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        has_shown_code = await self._spend_code(caller, serial_number, token_code, call.now)
        seconds = min(duration_seconds, _ROOT_SECONDS) if caller.is_root else duration_seconds
        credentials = self._issue(
            caller,
            call.now,
            seconds,
            policies=(_MFA_SESSION_POLICY if has_shown_code else _USER_SESSION_POLICY,),
            multi_factor=has_shown_code,
        )
        return {"credentials": render_credentials(credentials)}

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
        managed = await self._session_policies.load(policy, policy_arns, account_id=caller.account_id)
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
        policies = (*(self._session_policies.together(policy, managed) or ()), _FEDERATED_SESSION_POLICY)
        credentials = self._issue(
            federated,
            call.now,
            seconds,
            policies=policies,
            tags=merged,
            issuer=None if caller.is_root else caller,
        )
        return {
            "credentials": render_credentials(credentials),
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
        multi_factor: bool = False,
        issuer: Principal | None = None,
    ) -> TemporaryCredentials:
        issued_at = now.replace(microsecond=0)
        session = Session(
            issued_at=issued_at,
            expires_at=issued_at + timedelta(seconds=seconds),
            policies=policies,
            tags={} if tags is None else tags,
            multi_factor_at=issued_at if multi_factor else None,
            issuer_arn=None if issuer is None else issuer.arn,
            issuer_id=None if issuer is None else issuer.unique_id,
        )
        return self._sessions.issue(replace(principal, session=session))

    async def _spend_code(
        self, caller: Principal, serial_number: str | None, token_code: str | None, now: datetime
    ) -> bool:
        """Whether the caller has shown a code of an MFA device. Once it was taken it is spent, whatever comes after.

        Raises:
            AccessDenied: no such device of the caller's, or no code that counts.
            ValidationError: one of the two without the other.
        """
        if serial_number is None and token_code is None:
            return False
        if serial_number is None or token_code is None:
            # UNVERIFIED: the sentence.
            raise ValidationError("SerialNumber and TokenCode must be provided together.")
        if self._mfa_devices is None:
            raise ValidationError("SerialNumber and TokenCode are not supported by this velvetrope.")
        try:
            await self._mfa_devices.spend_token_code(caller, serial_number, token_code, now)
        except ReasonError as finding:
            raise AccessDenied(finding.message, detail=finding.detail) from finding
        return True


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


def _not_authorized(caller: Principal, action: str, role_arn: str) -> str:
    return f"User: {caller.arn} is not authorized to perform: {action} on resource: {role_arn}"
