"""The global condition context keys that a caller of ours has.

Keys are in lower case, values always tuples; a key that does not apply is absent, never empty. Keys of single services
(`iam:PassedToService`, `aws:RequestTag/…`) are the caller's to add, through `extra`.

The request lane asks for a context on every signed request. What is the principal's is the same for as long as its
credentials are remembered, so it is made once for each `Principal` object; what is the moment's is made once a second.

Source: IAM User Guide, "AWS global condition context keys", "IAM and AWS STS condition context keys", principal table.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from velvetrope.principals import Principal

__all__ = ["ABSENT_KEYS", "CALLER_KEYS", "encryption_context_keys", "request_context"]

Context = dict[str, tuple[str, ...]]

_TRUE, _FALSE = ("true",), ("false",)
_NOTHING: Mapping[str, tuple[str, ...]] = {}
_MAX_REMEMBERED = 2048

CALLER_KEYS = frozenset(
    {
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "aws:currenttime",
        "aws:epochtime",
        "aws:federatedprovider",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:principaltype",
        "aws:referer",
        "aws:requestedregion",
        "aws:securetransport",
        "aws:sourceidentity",
        "aws:sourceip",
        "aws:tokenissuetime",
        "aws:useragent",
        "aws:userid",
        "aws:username",
        "aws:viaawsservice",
        "lambda:sourcefunctionarn",
    }
)
"""Every key that `request_context` may give, but for tags (`aws:principaltag/…`) and claims (`provider:claim`)."""

ABSENT_KEYS = frozenset(
    {
        "aws:assumedroot",
        "aws:chatbotsourcearn",
        "aws:ec2instancesourceprivateipv4",
        "aws:ec2instancesourcevpc",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:resourceorgid",
        "aws:resourceorgpaths",
        "aws:signinsessionarn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
    }
)
"""AWS's other global keys. They are about what we do not have: Organizations, VPCs, the console."""


def request_context(
    principal: Principal,
    *,
    now: datetime,
    source_ip: str,
    user_agent: str = "",
    secure_transport: bool = False,
    region: str = "",
    referer: str = "",
    called_via: tuple[str, ...] = (),
    extra: Mapping[str, tuple[str, ...]] = _NOTHING,
) -> Context:
    """Every global key of this request. `now` is aware; empty texts mean that the header was not sent.

    `called_via` are the services that make the request in the principal's name, in their order.

    `extra` is trusted: it wins over what is here, so it must not be filled from what the caller merely says.
    """
    remembered = _remembered.get(id(principal))
    if remembered is None or remembered[0] is not principal:
        remembered = _remember(principal)
    context = remembered[1].copy()
    epoch_seconds = int(now.timestamp())
    moment = _moments.get(epoch_seconds) or _remember_moment(epoch_seconds)
    context["aws:currenttime"], context["aws:epochtime"] = moment
    context["aws:securetransport"] = _TRUE if secure_transport else _FALSE
    if source_ip:
        context["aws:sourceip"] = (source_ip,)
    if user_agent:
        context["aws:useragent"] = (user_agent,)
    if referer:
        context["aws:referer"] = (referer,)
    if region:
        context["aws:requestedregion"] = (region,)
    if called_via:
        context["aws:calledvia"] = called_via
        context["aws:calledviafirst"], context["aws:calledvialast"] = called_via[:1], called_via[-1:]
        context["aws:viaawsservice"] = _TRUE
    session = principal.session
    if session is not None and session.multi_factor_at is not None:
        context["aws:multifactorauthage"] = (str(epoch_seconds - int(session.multi_factor_at.timestamp())),)
    if extra:
        context.update(extra)
    return context


# A principal is kept beside what was made of it: while it is, no other object has its id.
_remembered: dict[int, tuple[Principal, Context]] = {}
_moments: dict[int, tuple[tuple[str], tuple[str]]] = {}


def _remember(principal: Principal) -> tuple[Principal, Context]:
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    made = _remembered[id(principal)] = (principal, _keys_of(principal))
    return made


def _remember_moment(epoch_seconds: int) -> tuple[tuple[str], tuple[str]]:
    _moments.clear()
    made = (_w3c(datetime.fromtimestamp(epoch_seconds, UTC)),), (str(epoch_seconds),)
    _moments[epoch_seconds] = made
    return made


def _w3c(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _keys_of(principal: Principal) -> Context:
    """What is the same for every request of the principal."""
    context: Context = {"aws:viaawsservice": _FALSE, "aws:principalisawsservice": _FALSE}
    if principal.kind == "Anonymous":
        context["aws:principaltype"] = ("Anonymous",)
        context["aws:userid"] = ("anonymous",)
        return context
    if principal.kind == "Service":
        context["aws:principalisawsservice"] = _TRUE
        context["aws:principalservicename"] = (principal.name,)
        return context
    if principal.account_id:
        context["aws:principaltype"] = (principal.kind,)
        context["aws:principalaccount"] = (principal.account_id,)
        context["aws:principalarn"] = (principal.policy_arn,)
        context["aws:userid"] = (principal.unique_id,)
    if principal.kind == "User":
        context["aws:username"] = (principal.name,)
    session = principal.session
    for key, value in principal.tags.items():
        context[f"aws:principaltag/{key.lower()}"] = (value,)
    if session is None:
        return context
    # A session tag wins over the role's own of the same key.
    for key, value in session.tags.items():
        context[f"aws:principaltag/{key.lower()}"] = (value,)
    context["aws:tokenissuetime"] = (_w3c(session.issued_at),)
    context["aws:multifactorauthpresent"] = _FALSE if session.multi_factor_at is None else _TRUE
    if session.federated_provider is not None:
        context["aws:federatedprovider"] = (session.federated_provider,)
    if session.source_identity is not None:
        context["aws:sourceidentity"] = (session.source_identity,)
    if session.source_function_arn is not None:
        context["lambda:sourcefunctionarn"] = (session.source_function_arn,)
    for key, values in session.claims.items():
        # Claims are federation keys (`provider:claim`); nothing that a provider says may pose as a key of AWS's own.
        if not key.lower().startswith("aws:"):
            context[key.lower()] = values
    return context


def encryption_context_keys(encryption_context: Mapping[str, str]) -> Context:
    """`kms:EncryptionContext:KEY` for each pair, and `kms:EncryptionContextKeys`.

    Condition keys do not tell case apart, so pairs whose keys differ in nothing else cannot be told apart by one: who
    takes an encryption context has to refuse those.

    Source: AWS KMS Developer Guide, "AWS KMS condition keys".
    """
    pairs: Context = {f"kms:encryptioncontext:{key.lower()}": (value,) for key, value in encryption_context.items()}
    return {**pairs, "kms:encryptioncontextkeys": tuple(encryption_context)} if pairs else {}
