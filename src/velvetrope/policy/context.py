"""The global condition context keys that a caller of ours has.

Keys are in lower case, values always tuples; a key that does not apply is absent, never empty. Keys of single services
(`iam:PassedToService`, `aws:RequestTag/…`) are the caller's to add, through `extra`.

Source: IAM User Guide, "AWS global condition context keys", "IAM and AWS STS condition context keys", principal table.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from velvetrope.principals import Principal

__all__ = ["request_context"]

_TRUE, _FALSE = ("true",), ("false",)
_NOTHING: Mapping[str, tuple[str, ...]] = {}


def request_context(
    principal: Principal,
    *,
    now: datetime,
    source_ip: str,
    user_agent: str = "",
    secure_transport: bool = False,
    region: str = "",
    referer: str = "",
    extra: Mapping[str, tuple[str, ...]] = _NOTHING,
) -> dict[str, tuple[str, ...]]:
    """Every global key of this request. `now` is aware; empty texts mean that the header was not sent.

    `extra` is trusted: it wins over what is here, so it must not be filled from what the caller merely says.
    """
    context: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (_w3c(now),),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:securetransport": _TRUE if secure_transport else _FALSE,
        "aws:viaawsservice": _FALSE,
        "aws:principalisawsservice": _TRUE if principal.kind == "Service" else _FALSE,
    }
    if source_ip:
        context["aws:sourceip"] = (source_ip,)
    if user_agent:
        context["aws:useragent"] = (user_agent,)
    if referer:
        context["aws:referer"] = (referer,)
    if region:
        context["aws:requestedregion"] = (region,)
    _add_principal(context, principal)
    context.update(extra)
    return context


def _w3c(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _add_principal(context: dict[str, tuple[str, ...]], principal: Principal) -> None:
    if principal.kind == "Anonymous":
        context["aws:principaltype"] = ("Anonymous",)
        return
    if principal.kind == "Service":
        context["aws:principalservicename"] = (principal.name,)
        return
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
        return
    # A session tag wins over the role's own of the same key.
    for key, value in session.tags.items():
        context[f"aws:principaltag/{key.lower()}"] = (value,)
    context["aws:tokenissuetime"] = (_w3c(session.issued_at),)
    context["aws:multifactorauthpresent"] = _FALSE if session.multi_factor_at is None else _TRUE
    if session.multi_factor_at is not None:
        now = int(context["aws:epochtime"][0])
        context["aws:multifactorauthage"] = (str(now - int(session.multi_factor_at.timestamp())),)
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
