"""Authentication tokens: a presigned request in the place of a password.

    verified = await verifier.verify(token, user="orders", source_ip=..., now=...)

A token is `host:port/?Action=connect&DBUser=…&X-Amz-…`: the URL, without its scheme, of a GET request that its maker
signed for the service `rds-db`. It is good when all of this holds; the first that does not is the reason:

1. it names this door: host and port are among those by which the door is reached;
2. its action is `connect` and its user is the one that the connection is for;
3. it is not older than its X-Amz-Expires, which is at most 15 minutes, and not from the future;
4. the signature is its key's, over exactly this, for this region;
5. the session that the key belongs to has not ended;
6. the caller's policies allow `rds-db:connect` on `arn:aws:rds-db:region:account:dbuser:resource/user`.

A token may be used as often as one likes while it is good, as on RDS. What it opened stays open after.

Source: Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication", "Creating and using an IAM
policy for IAM database access".
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import parse_qsl

from velvetrope import sigv4
from velvetrope.errors import ReasonError
from velvetrope.policy import AuthorizationRequest, Decision, PrincipalPolicies, evaluate, request_context
from velvetrope.principals import CredentialSource, Principal

__all__ = ["PolicySource", "TokenRefused", "TokenVerifier", "VerifiedToken"]

SERVICE = "rds-db"
ACTION = "rds-db:connect"
MAX_AGE = timedelta(minutes=15)
_SKEW = timedelta(minutes=5)
_FIELDS = frozenset(
    {
        "Action",
        "DBUser",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)
_MAX_FIELDS = 16


class PolicySource(Protocol):
    """Hands out a caller's policies: `iam`'s gatherer."""

    async def policies_for(self, principal: Principal) -> PrincipalPolicies: ...


class TokenRefused(ReasonError):
    """The token opens nothing. The message is for the owner; the client hears no more than that it failed.

    `principal` is who signed, if that could be proven.
    """

    def __init__(self, message: str, *, step: str, principal: Principal | None = None) -> None:
        super().__init__(message)
        self.step = step
        self.principal = principal


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Proof that `principal` may connect as that user now."""

    principal: Principal
    decision: Decision


class TokenVerifier:
    """Verifies tokens for one door."""

    def __init__(
        self,
        credentials: CredentialSource,
        policies: PolicySource,
        *,
        region: str,
        account_id: str,
        resource_id: str,
        authorities: Collection[str],
    ) -> None:
        """`authorities` are the `host:port` by which the door is reached, in lower case."""
        self._credentials = credentials
        self._policies = policies
        self._region = region
        self._account_id = account_id
        self._resource_id = resource_id
        self._authorities = frozenset(authorities)

    def resource(self, user: str) -> str:
        """The ARN that policies are asked about."""
        return f"arn:aws:rds-db:{self._region}:{self._account_id}:dbuser:{self._resource_id}/{user}"

    async def verify(self, token: str, *, user: str, source_ip: str, now: datetime) -> VerifiedToken:
        """Who may connect as `user` with this token.

        Raises:
            TokenRefused: nobody.
        """
        request = self._read(token, user)
        principal = await self._authenticate(request, now)
        decision = await self._judge(principal, user, source_ip=source_ip, now=now)
        if not decision.allowed:
            asked = f"User: {principal.arn} is not authorized to perform: {ACTION} on resource: {self.resource(user)}"
            reasons = "; ".join(decision.reasons)
            why = f"{asked} {decision.because}; {reasons}".rstrip("; ")
            raise TokenRefused(why, step="authorization", principal=principal)
        return VerifiedToken(principal, decision)

    def _read(self, token: str, user: str) -> sigv4.SignedRequest:
        authority, separator, query = token.partition("/?")
        if not separator or not token.isascii():
            raise TokenRefused("the password is no authentication token", step="token")
        if authority.lower() not in self._authorities:
            raise TokenRefused(f"the token is for {authority}, which is not this door", step="token")
        try:
            fields = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise TokenRefused("the token's query cannot be read", step="token") from None
        named = dict(fields)
        if len(named) != len(fields):
            raise TokenRefused("the token has a field twice", step="token")
        unknown = named.keys() - _FIELDS
        if unknown:
            raise TokenRefused(f"the token has a field that is not known: {min(unknown)}", step="token")
        if named.get("Action") != "connect":
            raise TokenRefused("the token's action is not connect", step="token")
        if named.get("DBUser") != user:
            raise TokenRefused(f"the token is for another database user than {user}", step="token")
        return sigv4.SignedRequest("GET", b"/", query.encode(), ((b"host", authority.encode()),), b"")

    async def _authenticate(self, request: sigv4.SignedRequest, now: datetime) -> Principal:
        try:
            signed_at = _signed_at(request)
            # `sigv4` holds a window of five minutes; a token's is its own and was held already.
            presented = sigv4.parse_authorization(request, now=signed_at)
            _check_age(presented, now)
            sigv4.check_scope(presented, service=SERVICE, region=self._region)
            found = await self._credentials.find_credentials(presented.access_key_id, presented.session_token, now)
            sigv4.verify_signature(
                request,
                presented,
                secret=found.secret_access_key,
                service=SERVICE,
                region=self._region,
                now=signed_at,
            )
        except sigv4.SignatureRefused as reason:
            # The long text of a mismatch echoes the whole token.
            text = reason.short_message if isinstance(reason, sigv4.SignatureMismatch) else reason.message
            raise TokenRefused(f"{type(reason).__name__}: {text}".rstrip(": "), step="authentication") from reason
        return found.principal

    async def _judge(self, principal: Principal, user: str, *, source_ip: str, now: datetime) -> Decision:
        return evaluate(
            AuthorizationRequest(
                principal=principal,
                action=ACTION,
                resource=self.resource(user),
                resource_account_id=self._account_id,
                context=request_context(
                    principal, now=now, source_ip=source_ip, secure_transport=True, region=self._region
                ),
                policies=await self._policies.policies_for(principal),
            )
        )


def _signed_at(request: sigv4.SignedRequest) -> datetime:
    fields = dict(parse_qsl(request.query_string.decode("ascii")))
    moment, _ = sigv4.parse_timestamp(fields.get("X-Amz-Date", ""))
    return moment


def _check_age(presented: sigv4.PresentedSignature, now: datetime) -> None:
    lifetime = presented.expires_in_seconds
    if lifetime is None or timedelta(seconds=lifetime) > MAX_AGE:
        raise TokenRefused("the token has no X-Amz-Expires of at most 15 minutes", step="authentication")
    if presented.timestamp > now + _SKEW:
        raise TokenRefused("the token was signed in the future", step="authentication")
    if now >= presented.timestamp + timedelta(seconds=lifetime):
        raise TokenRefused("the token has expired", step="authentication")
