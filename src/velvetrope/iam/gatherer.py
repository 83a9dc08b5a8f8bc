"""Which policies a caller has: collected, compiled, and remembered until something about IAM is committed.

A role session has its role's policies, a user its own and those of its groups, a federated user those of the user who
issued the session; each with the session's own policies where some were passed. With them go the tags that the role or
user has now: AWS weighs temporary credentials anew for each request, so a session of before hears of a tag, as of a
policy. The role or user must be the one that the credentials were made for: a new one under the old name has another
unique id, and old sessions get nothing from it. Sessions of a role or user that is gone are denied everything, whatever
policies of resources say: those name it by ARN, and would else let a session in that its own policies had refused while
there were any. Services, the anonymous and the root user have no policies: `policy.evaluate` knows them by kind.

A managed policy or boundary that is gone, or a document that cannot be read, denies everything (`policy.read_policy`).
"""

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.policy import Policy, PolicyKind, PrincipalPolicies, parse_policy, read_policy
from velvetrope.principals import Principal
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.iam import Group, IamStore, PolicyHolder, Role, User

__all__ = ["PolicyGatherer", "policies_of_entity"]

K = TypeVar("K")

_MAX_REMEMBERED = 4096
_NOTHING = PrincipalPolicies()
_EVERYTHING = parse_policy(
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    kind="identity",
    source="the root user",
)

_GONE = PrincipalPolicies(
    identity=(
        parse_policy(
            '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}',
            kind="identity",
            source="of sessions whose role or user is gone",
        ),
    )
)

_HAVE_POLICIES = frozenset({"AssumedRole", "User", "FederatedUser"})


class PolicyGatherer:
    """Collects the policies of callers."""

    def __init__(self, store: IamStore, changes: ChangeFeed) -> None:
        self._store = store
        self._own: dict[tuple[str, str, str, str], PrincipalPolicies] = {}
        self._whole: dict[tuple[tuple[str, str, str, str], tuple[str, ...]], PrincipalPolicies] = {}
        self._generation = 0
        changes.subscribe("iam", self._forget)

    def recall_policies(self, principal: Principal) -> PrincipalPolicies | None:
        """What `policies_for` would answer, if that is remembered."""
        texts = None if principal.session is None else principal.session.policies
        if texts is None and principal.kind not in _HAVE_POLICIES:
            return _NOTHING
        key = _key_of(principal)
        return self._own.get(key) if texts is None else self._whole.get((key, texts))

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        """Identity policies, boundary and session policies of `principal`."""
        whole = self.recall_policies(principal)
        if whole is not None:
            return whole
        key = _key_of(principal)
        texts = None if principal.session is None else principal.session.policies
        generation = self._generation
        own = self._own.get(key)
        if own is None:
            own = await self._load(principal)
            if own is not _NOTHING and own is not _GONE and generation == self._generation:
                _remember(self._own, key, own)
        if texts is None:
            return own
        sessions = tuple(read_policy(text, kind="session", source=str(n)) for n, text in enumerate(texts, 1))
        whole = replace(own, session=sessions)
        if own is not _NOTHING and own is not _GONE and generation == self._generation:
            _remember(self._whole, (key, texts), whole)
        return whole

    async def stands(self, principal: Principal) -> bool:
        """Whether the role or user of these credentials is still there, and still the same one."""
        return (await self.policies_for(principal)).identity is not _GONE.identity

    async def _load(self, principal: Principal) -> PrincipalPolicies:
        if principal.kind == "AssumedRole":
            role = await self._store.load_role(principal.account_id, principal.name)
            same = role is not None and (role.arn, role.role_id) == (
                principal.policy_arn,
                principal.unique_id.partition(":")[0],
            )
            return await policies_of_entity(self._store, role) if role is not None and same else _GONE
        if principal.kind == "User":
            user = await self._store.load_user(principal.account_id, principal.name)
            same = user is not None and (user.arn, user.user_id) == (principal.policy_arn, principal.unique_id)
            return await policies_of_entity(self._store, user) if user is not None and same else _GONE
        if principal.kind == "FederatedUser" and principal.account_id:
            return await self._load_issuer(principal)
        return _NOTHING

    async def _load_issuer(self, principal: Principal) -> PrincipalPolicies:
        """The policies of who called GetFederationToken; an issuer without a name is the root user.

        A token that was sealed before it said the issuer's id names nobody, and is refused: it lasts 36 hours at most.
        """
        if not principal.name:
            return PrincipalPolicies(identity=(_EVERYTHING,))
        user = await self._store.load_user(principal.account_id, principal.name)
        session = principal.session
        if user is None or session is None or user.user_id != session.issuer_id:
            return _GONE
        return await policies_of_entity(self._store, user)

    def _forget(self) -> None:
        self._generation += 1
        self._own.clear()
        self._whole.clear()


def _key_of(principal: Principal) -> tuple[str, str, str, str]:
    """What a principal's policies hang on, but for those of its session."""
    if principal.kind == "FederatedUser":
        issuer_id = None if principal.session is None else principal.session.issuer_id
        return principal.kind, principal.account_id, principal.name, issuer_id or ""
    return principal.kind, principal.account_id, principal.policy_arn, principal.unique_id.partition(":")[0]


def _remember(known: dict[K, PrincipalPolicies], key: K, value: PrincipalPolicies) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known[key] = value


async def policies_of_entity(store: IamStore, entity: PolicyHolder) -> PrincipalPolicies:
    """The compiled policies of a role, a group, or a user with the groups that the user is in.

    A managed policy that comes by several ways counts once.
    """
    holders: list[PolicyHolder] = [entity]
    if isinstance(entity, User):
        holders += await store.list_groups_of_user(entity.account_id, entity.user_name)
    inline = [policy for holder in holders for policy in _inline(holder)]
    arns = dict.fromkeys(arn for holder in holders for arn in holder.attached_policy_arns)
    boundary = None if isinstance(entity, Group) else entity.permissions_boundary_arn
    documents = await _documents(store, arns if boundary is None else (*arns, boundary))
    managed = [_managed(documents, arn, kind="identity") for arn in arns]
    return PrincipalPolicies(
        identity=(*inline, *managed),
        boundary=None if boundary is None else _managed(documents, boundary, kind="boundary"),
        tags=None if isinstance(entity, Group) else entity.tags,
    )


def _inline(holder: PolicyHolder) -> list[Policy]:
    kind = "role" if isinstance(holder, Role) else "user" if isinstance(holder, User) else "group"
    return [
        read_policy(text, kind="identity", source=f"{kind} {holder.name} inline {name}")
        for name, text in sorted(holder.inline_policies.items())
    ]


async def _documents(store: IamStore, arns: Collection[str]) -> dict[str, str]:
    known = aws_managed_policies()
    documents = {arn: known[arn].document for arn in arns if arn in known}
    customers = [arn for arn in arns if arn not in known]
    if customers:
        found = await store.load_policies(customers)
        documents.update((arn, policy.default_version.document) for arn, policy in found.items())
    return documents


def _managed(documents: dict[str, str], arn: str, *, kind: PolicyKind) -> Policy:
    # An empty text cannot be read, and what cannot be read denies everything.
    return read_policy(documents.get(arn, ""), kind=kind, source=arn)
