"""Who may become which role: the trust policy judged, the session made.

Three callers come here: principals of an account (AssumeRole), services of ours that act under a role (a function's
execution role), and identities that a provider vouches for (identity pools, OpenID Connect, SAML). All are judged by
the same steps: the role exists; its trust policy allows the action to this caller (for principals their own policies
have a say too, see `policy.evaluate`); passing tags and a source identity are allowed as actions of their own. A trust
policy must allow; nothing else can stand in for it.

An absent role and a forbidden one are the same finding. `detail` tells them apart, for the owner.

Sources: IAM User Guide, "Roles terms and concepts", "Policy evaluation logic", "Pass session tags in AWS STS", "Monitor
and control actions taken with assumed roles" (source identity).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from velvetrope.arn import Arn, InvalidArn, parse_arn
from velvetrope.policy import AuthorizationRequest, PrincipalPolicies, evaluate, read_policy, request_context
from velvetrope.principals import Principal, Session, TemporaryCredentials, service_principal
from velvetrope.sts.errors import RoleNotAssumable
from velvetrope.sts.providers import PolicyGatherer, RoleRecord, RoleStore
from velvetrope.sts.session_limits import check_duration
from velvetrope.sts.sessions import Sessions

__all__ = ["AssumedRole", "RoleAssumption", "RoleSessionRequest", "role_arn_parts"]

_AWS_KEYS: Final = ("aws:", "sts:", "saml:")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSessionRequest:
    """The session that is asked for. `context` are condition keys of the request (lower case) for the trust policy."""

    role_arn: str
    session_name: str
    duration_seconds: int
    now: datetime
    policies: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    requested_tags: Mapping[str, str] = field(default_factory=dict)
    """Those of `tags` that were passed now; the others were inherited. Both need `sts:TagSession`."""
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None
    external_id: str | None = None
    not_after: datetime | None = None
    """The session ends then at the latest, however long it was asked for: a provider's own session does."""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """A role session, as its holder sees it."""

    credentials: TemporaryCredentials
    principal: Principal


def role_arn_parts(role_arn: str) -> tuple[Arn, str]:
    """The ARN and the role's name in it (its path left out).

    Raises:
        InvalidArn: not the ARN of a role.
    """
    arn = parse_arn(role_arn)
    kind, _, path_and_name = arn.resource.partition("/")
    name = path_and_name.rpartition("/")[2]
    if arn.service != "iam" or arn.region or not arn.account_id.isdecimal() or kind != "role" or not name:
        raise InvalidArn(f"{role_arn} is not a valid ARN")
    return arn, name


class RoleAssumption:
    """Judges trust policies and makes role sessions."""

    def __init__(self, roles: RoleStore, sessions: Sessions, gatherer: PolicyGatherer) -> None:
        self._roles = roles
        self._sessions = sessions
        self._gatherer = gatherer

    async def caller_stands(self, caller: Principal) -> bool:
        """Whether the role or user behind a signature is still there, and not another one of the same name."""
        return await self._gatherer.stands(caller)

    async def find_role(self, role_arn: str) -> RoleRecord | None:
        """The role that this ARN names, path included, or None."""
        try:
            arn, name = role_arn_parts(role_arn)
        except InvalidArn:
            return None
        role = await self._roles.load_role(arn.account_id, name)
        return role if role is not None and role.arn == role_arn else None

    async def assume_role_for_principal(self, caller: Principal, request: RoleSessionRequest) -> AssumedRole:
        """A session for a signed caller. Session policies and tags are the operation's to check.

        Raises:
            RoleNotAssumable: no such role, or the caller or the trust policy does not allow it.
            ValidationError: longer than the role allows, or than an hour for a caller that is a role session itself.
        """
        role = await self._existing_role(request.role_arn, "sts:AssumeRole")
        policies = await self._gatherer.policies_for(caller)
        self._check_allowed(role, caller, "sts:AssumeRole", policies, request)
        if request.tags:
            # Inherited ones too: AWS refuses them in each further role of a chain that does not let tags in. Seen by
            # users of EKS Pod Identity, whose tags are transitive (aws/eks-pod-identity-agent, issue 80).
            self._check_allowed(role, caller, "sts:TagSession", policies, request)
        if request.source_identity is not None:
            self._check_allowed(role, caller, "sts:SetSourceIdentity", policies, request)
        # After the trust policy, so that a stranger does not learn which roles there are and how long they last.
        chained = caller.kind == "AssumedRole"
        check_duration(
            request.duration_seconds, role_maximum_seconds=role.max_session_duration_seconds, chained=chained
        )
        return self._session_of(role, request, Session(request.now, request.now, chained=chained))

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> TemporaryCredentials:
        """Credentials of a role that a service of ours works under; `service` is its host, `lambda.amazonaws.com`.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not name the service.
        """
        assumed = await self._assume_for_service(
            role_arn, service, session_name, duration_seconds, now, source_function_arn
        )
        return assumed.credentials

    async def act_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> Principal:
        """Who a service of ours is when it calls another one in process under a role.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not name the service.
        """
        assumed = await self._assume_for_service(
            role_arn, service, session_name, duration_seconds, now, source_function_arn
        )
        return replace(assumed.principal, access_key_id=assumed.credentials.access_key_id)

    async def _assume_for_service(
        self,
        role_arn: str,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None,
    ) -> AssumedRole:
        request = RoleSessionRequest(
            role_arn=role_arn, session_name=session_name, duration_seconds=duration_seconds, now=now
        )
        role = await self._existing_role(role_arn, "sts:AssumeRole")
        self._check_allowed(role, service_principal(service), "sts:AssumeRole", PrincipalPolicies(), request)
        return self._session_of(role, request, Session(now, now, source_function_arn=source_function_arn))

    async def assume_role_for_identity(
        self,
        role_arn: str,
        *,
        provider: str,
        claims: Mapping[str, tuple[str, ...]],
        session_name: str,
        tags: Mapping[str, str],
        session_policies: tuple[str, ...] | None,
        duration_seconds: int,
        now: datetime,
    ) -> TemporaryCredentials:
        """Credentials for an identity that `provider` vouches for.

        `claims` are the provider's condition keys in lower case (`cognito-identity.amazonaws.com:aud`); the trust
        policy is judged by them and the session keeps them.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not let this identity in.
        """
        request = RoleSessionRequest(
            role_arn=role_arn,
            session_name=session_name,
            duration_seconds=duration_seconds,
            now=now,
            policies=session_policies,
            tags=tags,
            requested_tags=tags,
        )
        assumed = await self.assume_role_with_web_identity(request, provider=provider, claims=claims)
        return assumed.credentials

    async def assume_role_with_web_identity(
        self, request: RoleSessionRequest, *, provider: str, claims: Mapping[str, tuple[str, ...]]
    ) -> AssumedRole:
        """A session for an identity that `provider` vouches for, with who it is.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not let this identity in.
            ValidationError: longer than the role allows.
        """
        action = "sts:AssumeRoleWithWebIdentity"
        # A provider may fill in keys of its own, never one of AWS's, and not what is known of SAML only.
        keys = {key.lower(): value for key, value in claims.items() if not key.lower().startswith(_AWS_KEYS)}
        return await self._assume_role_with_provider(
            request, action=action, provider=provider, keys=keys, session_keys=keys
        )

    async def assume_role_with_saml(
        self,
        request: RoleSessionRequest,
        *,
        provider: str,
        keys: Mapping[str, tuple[str, ...]],
        session_keys: Mapping[str, tuple[str, ...]],
    ) -> AssumedRole:
        """A session for an identity that a SAML provider (its ARN) vouches for, with who it is.

        The trust policy is judged by `keys` (lower case, `saml:…`); the session keeps `session_keys`.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not let this identity in.
            ValidationError: longer than the role allows.
        """
        return await self._assume_role_with_provider(
            request, action="sts:AssumeRoleWithSAML", provider=provider, keys=keys, session_keys=session_keys
        )

    async def _assume_role_with_provider(
        self,
        request: RoleSessionRequest,
        *,
        action: str,
        provider: str,
        keys: Mapping[str, tuple[str, ...]],
        session_keys: Mapping[str, tuple[str, ...]],
    ) -> AssumedRole:
        role = await self._existing_role(request.role_arn, action)
        caller = Principal(
            kind="FederatedUser", account_id="", arn=provider, policy_arn=provider, unique_id=provider, name=provider
        )
        asked = replace(request, context={**request.context, "aws:federatedprovider": (provider,), **keys})
        self._check_allowed(role, caller, action, PrincipalPolicies(), asked)
        if request.tags:
            self._check_allowed(role, caller, "sts:TagSession", PrincipalPolicies(), asked)
        if request.source_identity is not None:
            self._check_allowed(role, caller, "sts:SetSourceIdentity", PrincipalPolicies(), asked)
        check_duration(request.duration_seconds, role_maximum_seconds=role.max_session_duration_seconds, chained=False)
        session = Session(request.now, request.now, federated_provider=provider, claims=session_keys)
        return self._session_of(role, request, session)

    async def _existing_role(self, role_arn: str, action: str) -> RoleRecord:
        role = await self.find_role(role_arn)
        if role is None:
            raise RoleNotAssumable("The role does not exist", action=action, detail=f"there is no role {role_arn}")
        return role

    def _check_allowed(
        self,
        role: RoleRecord,
        caller: Principal,
        action: str,
        policies: PrincipalPolicies,
        request: RoleSessionRequest,
    ) -> None:
        decision = evaluate(
            AuthorizationRequest(
                principal=caller,
                action=action,
                resource=role.arn,
                resource_account_id=role.account_id,
                context=_context_of(role, caller, request),
                policies=policies,
                resource_policy=read_policy(role.assume_role_policy_document, kind="trust", source=role.arn),
                resource_policy_must_allow=True,
            )
        )
        if not decision.allowed:
            lines = "; ".join(decision.reasons)
            raise RoleNotAssumable(
                f"{action} is not allowed",
                action=action,
                detail=f"{role.arn}: {decision.because}; {lines}",
            )

    def _session_of(self, role: RoleRecord, request: RoleSessionRequest, session: Session) -> AssumedRole:
        issued_at = request.now.replace(microsecond=0)
        expires_at = issued_at + timedelta(seconds=request.duration_seconds)
        if request.not_after is not None:
            expires_at = min(expires_at, request.not_after.replace(microsecond=0))
        principal = Principal(
            kind="AssumedRole",
            account_id=role.account_id,
            arn=f"arn:aws:sts::{role.account_id}:assumed-role/{role.role_name}/{request.session_name}",
            policy_arn=role.arn,
            unique_id=f"{role.role_id}:{request.session_name}",
            name=role.role_name,
            tags=dict(role.tags),
            session=replace(
                session,
                issued_at=issued_at,
                expires_at=expires_at,
                policies=request.policies,
                tags=request.tags,
                transitive_tag_keys=request.transitive_tag_keys,
                source_identity=request.source_identity,
            ),
        )
        return AssumedRole(self._sessions.issue(principal), principal)


def _context_of(role: RoleRecord, caller: Principal, request: RoleSessionRequest) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {
        **request.context,
        "sts:rolesessionname": (request.session_name,),
        "sts:durationseconds": (str(request.duration_seconds),),
    }
    if request.external_id is not None:
        extra["sts:externalid"] = (request.external_id,)
    if request.source_identity is not None:
        extra["sts:sourceidentity"] = (request.source_identity,)
    if request.transitive_tag_keys:
        extra["sts:transitivetagkeys"] = request.transitive_tag_keys
    if request.requested_tags:
        extra["aws:tagkeys"] = tuple(request.requested_tags)
    extra.update({f"aws:requesttag/{key.lower()}": (value,) for key, value in request.requested_tags.items()})
    for key, value in role.tags.items():
        extra[f"aws:resourcetag/{key.lower()}"] = extra[f"iam:resourcetag/{key.lower()}"] = (value,)
    return request_context(caller, now=request.now, source_ip="", extra=extra)
