"""Who is calling: the identity that a verified signature stands for.

A `Principal` is made by the room that proved it (`sts` for sessions, `iam` for long-term keys, `server` for the root
key) and read by everybody else. It says who; what that principal may do is decided by `policy` from the policies that
`iam` gathers. `ANONYMOUS` is a caller who proved nothing.

Sources: IAM User Guide, "Information available in all requests" (principal table), "AWS global condition context keys".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol

from velvetrope.secret import Secret

__all__ = [
    "ANONYMOUS",
    "CredentialSource",
    "Principal",
    "PrincipalKind",
    "Session",
    "SigningCredentials",
    "TemporaryCredentials",
    "service_principal",
]

PrincipalKind = Literal["Account", "User", "AssumedRole", "FederatedUser", "Anonymous", "Service"]
"""AWS's values of `aws:PrincipalType` (`Account` is the root user), and `Service` for calls of our own services."""

_EMPTY: Mapping[str, str] = MappingProxyType({})
_NO_CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Session:
    """The temporary credentials that a principal called with.

    `policies` are session policy documents (JSON text); None means that none was passed, which is not the same as an
    empty tuple. Several documents are a union, and the session may do what the role AND that union allow.
    `claims` are the federation condition keys in lower case, for example `cognito-identity.amazonaws.com:sub`; values
    are always tuples. `tags` are session tags; they win over the role's own in `aws:PrincipalTag`.
    """

    issued_at: datetime
    expires_at: datetime
    policies: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    transitive_tag_keys: tuple[str, ...] = ()
    federated_provider: str | None = None
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_CLAIMS)
    source_identity: str | None = None
    multi_factor_at: datetime | None = None
    chained: bool = False
    """Assumed with credentials that were themselves temporary: such a session lasts one hour at the most."""
    source_function_arn: str | None = None
    issuer_arn: str | None = None
    """The user who called GetFederationToken for a federated user, and its unique id; None if the root user did."""
    issuer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller.

    `arn` is what messages and `GetCallerIdentity` show (for a role session `arn:aws:sts::A:assumed-role/Role/Name`);
    `policy_arn` is `aws:PrincipalArn` (for a role session the ROLE's ARN, path included). `unique_id` is `aws:userid`
    (`AIDA…`, `AROA…:session`, the account id for root). `tags` are the role's or user's own.
    """

    kind: PrincipalKind
    account_id: str
    arn: str
    policy_arn: str
    unique_id: str
    name: str = ""
    """The user name, the role name or the service host, whichever `kind` has."""
    access_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    session: Session | None = None

    @property
    def is_root(self) -> bool:
        return self.kind == "Account"


ANONYMOUS = Principal(kind="Anonymous", account_id="", arn="anonymous", policy_arn="", unique_id="")


def service_principal(host: str) -> Principal:
    """An AWS service as a caller: `apigateway.amazonaws.com`, `lambda.amazonaws.com`."""
    return Principal(kind="Service", account_id="", arn=host, policy_arn=host, unique_id=host, name=host)


@dataclass(frozen=True, slots=True)
class SigningCredentials:
    """What a verifier needs for one access key: the secret that signs, and who it stands for."""

    access_key_id: str
    secret_access_key: Secret[str]
    principal: Principal


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """What a caller signs with until `expiration`."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: str
    expiration: datetime


class CredentialSource(Protocol):
    """Looks up the key that a request says it was signed with. `server` composes root key, IAM keys and sessions."""

    async def find_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials:
        """The credentials of `access_key_id`, with `session_token` opened and matched to it.

        Raises:
            velvetrope.sigv4.UnknownAccessKey: no such key, an inactive one, or a temporary one without a token.
            velvetrope.sigv4.InvalidSessionToken: the token is altered, foreign, or of another key.
            velvetrope.sigv4.ExpiredSessionToken: the token was good, but its session has ended.
        """
        ...
