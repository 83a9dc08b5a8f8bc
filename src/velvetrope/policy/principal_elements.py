"""The Principal and NotPrincipal elements: whom a resource or trust policy speaks of, and how closely.

How closely matters: an Allow that names a user or one session decides at once, one that names a role (or, to a
federated user's session, the user who federated it) is still limited by boundary and session policy, and one that names
an account only lets that account's own policies decide. `Naming` says which it was.

`*` (and `{"AWS": "*"}`, the same) is everybody, the anonymous included. A caller who comes by web identity is only
allowed by name (`Federated`); UNVERIFIED for `*`, where we take the reading that lets fewer people in. Whether `*` also
sets boundary and session policy aside is UNVERIFIED too; here it does not.

NotPrincipal spares a caller only if all that the caller is has been listed: session, role (or federating user) and
account.

Source: IAM User Guide, "IAM JSON policy elements: Principal", "NotPrincipal", "Policy evaluation logic".
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.requests import Facts
from velvetrope.principals import Principal

__all__ = ["Naming", "PrincipalElement", "compile_principals"]

_ACCOUNT = re.compile(r"\d{12}")
_ACCOUNT_ROOT = re.compile(r"arn:aws[a-z\-]*:iam::(\d{12}):root")
_IAM_ARN = re.compile(
    r"arn:aws[a-z\-]*:(iam::\d{12}:(user|role)/[^*?]+|sts::\d{12}:(assumed-role|federated-user)/[^*?]+)"
)
_UNIQUE_ID = re.compile(r"A(ID|RO)A[A-Z0-9]{12,124}")
_SERVICE = re.compile(r"[a-z0-9\-.]+\.(amazonaws\.com(\.cn)?|internal|aws)")
_FEDERATED = re.compile(r"[A-Za-z0-9\-.:/_+=,@]+")
_CANONICAL = re.compile(r"[0-9a-f]{64}")


class Naming(IntEnum):
    """How closely a statement names the caller, from not at all to by its own name."""

    NOBODY = 0
    ACCOUNT = 1
    ROLE_OR_ANYONE = 2
    EXACTLY = 3


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """Everybody a statement names."""

    negated: bool
    anyone: bool
    accounts: frozenset[str]
    names: frozenset[str]
    """ARNs and unique ids."""
    services: frozenset[str]
    federated: frozenset[str]

    def holds(self, facts: Facts, *, denies: bool) -> bool:
        """Whether the statement is about the caller."""
        if self.negated:
            return not self._spares(facts.principal)
        return self.naming(facts.principal, denies=denies) is not Naming.NOBODY

    def naming(self, principal: Principal, *, denies: bool) -> Naming:
        """How closely the caller is named. NotPrincipal never names anybody closely."""
        if self.negated:
            return Naming.NOBODY if self._spares(principal) else Naming.ACCOUNT
        if principal.kind == "Service":
            return Naming.EXACTLY if self.anyone or principal.name in self.services else Naming.NOBODY
        if _comes_by_web_identity(principal):
            named = bool(_providers(principal) & self.federated) or (denies and self.anyone)
            return Naming.EXACTLY if named else Naming.NOBODY
        if principal.kind == "Anonymous":
            return Naming.EXACTLY if self.anyone else Naming.NOBODY
        if principal.arn in self.names or (principal.kind == "User" and principal.unique_id in self.names):
            return Naming.EXACTLY
        if self.anyone or self._lists_maker(principal):
            return Naming.ROLE_OR_ANYONE
        return Naming.ACCOUNT if principal.account_id in self.accounts else Naming.NOBODY

    def _spares(self, principal: Principal) -> bool:
        if self.anyone:
            return True
        if principal.kind == "Service":
            return principal.name in self.services
        if _comes_by_web_identity(principal):
            return bool(_providers(principal) & self.federated)
        if principal.kind == "Anonymous" or principal.account_id not in self.accounts:
            return False
        if principal.is_root:
            return True
        named = principal.arn in self.names or principal.unique_id in self.names
        session = principal.session
        has_maker = principal.kind == "AssumedRole" or (session is not None and session.issuer_id is not None)
        return named and (not has_maker or self._lists_maker(principal))

    def _lists_maker(self, principal: Principal) -> bool:
        """Whether it lists the role of a role session, or the user who federated a federated one."""
        # A stored policy names roles and users by their unique ids, so that a recreated one is a stranger.
        if principal.kind == "AssumedRole":
            return principal.policy_arn in self.names or principal.unique_id.partition(":")[0] in self.names
        session = principal.session
        if principal.kind != "FederatedUser" or session is None:
            return False
        return session.issuer_arn in self.names or session.issuer_id in self.names

    def describe(self, facts: Facts) -> str:
        caller = facts.principal.arn or facts.principal.name
        return f"its NotPrincipal spares {caller}" if self.negated else f"its Principal does not name {caller}"


def _comes_by_web_identity(principal: Principal) -> bool:
    """A caller of AssumeRoleWithWebIdentity or WithSAML: known to a provider, but not yet anybody in an account."""
    return principal.kind == "FederatedUser" and not principal.account_id


def _providers(principal: Principal) -> frozenset[str]:
    session = principal.session
    named = {principal.name, principal.arn, principal.policy_arn}
    if session is not None and session.federated_provider is not None:
        named.add(session.federated_provider)
    return frozenset(named)


def compile_principals(value: object, *, negated: bool, trust: bool) -> PrincipalElement:
    """The element with this JSON value.

    Raises:
        MalformedPolicy: a principal of no known form, or one that trust policies may not have.
    """
    if value == "*":
        if trust:
            raise MalformedPolicy('AssumeRolepolicy contained an invalid principal: "STAR":"*".')
        return PrincipalElement(negated, True, frozenset(), frozenset(), frozenset(), frozenset())
    if not isinstance(value, dict) or not value:
        raise MalformedPolicy("Syntax errors in policy.", detail="Principal is neither * nor an object")
    anyone = False
    accounts: set[str] = set()
    names: set[str] = set()
    others: dict[str, set[str]] = {"Service": set(), "Federated": set(), "CanonicalUser": set()}
    for kind, given in value.items():
        for name in _texts(kind, given):
            if kind == "AWS" and name == "*":
                anyone = True
            elif kind == "AWS" and _ACCOUNT.fullmatch(name):
                accounts.add(name)
            elif kind == "AWS" and (root := _ACCOUNT_ROOT.fullmatch(name)):
                accounts.add(root.group(1))
            elif kind == "AWS" and (_IAM_ARN.fullmatch(name) or _UNIQUE_ID.fullmatch(name)):
                names.add(name)
            elif (
                (kind == "Service" and _SERVICE.fullmatch(name))
                or (kind == "Federated" and _FEDERATED.fullmatch(name))
                or (kind == "CanonicalUser" and _CANONICAL.fullmatch(name))
            ):
                others[kind].add(name)
            else:
                shown = kind if kind == "AWS" else kind.upper()
                raise MalformedPolicy(f'Invalid principal in policy: "{shown}":"{name}"')
    return PrincipalElement(
        negated,
        anyone,
        frozenset(accounts),
        frozenset(names),
        frozenset(others["Service"]),
        frozenset(others["Federated"]),
    )


def _texts(kind: str, given: object) -> tuple[str, ...]:
    values = given if isinstance(given, list) else [given]
    texts = tuple(value for value in values if isinstance(value, str))
    if kind not in {"AWS", "Service", "Federated", "CanonicalUser"} or len(texts) != len(values) or not texts:
        raise MalformedPolicy("Syntax errors in policy.", detail=f"Principal {kind}")
    return texts
