"""The condition keys of KMS: what a request says of the key that it uses, and how.

`kms:ViaService` is the service that makes the call in the caller's name, and absent where the caller calls itself. The
facts of a key (`kms:KeySpec` and its siblings) are the same for all that there are. Conditions on `kms:ResourceAliases`
never help the caller: an alias is looked up by its name only. Nitro enclaves (`kms:RecipientAttestation:*`) are refused
by name, so their keys are always absent.

Source: AWS KMS Developer Guide, "AWS KMS condition keys".
"""

from collections.abc import Mapping

from velvetrope.iam.operation_rules import OperationRule
from velvetrope.operations import Call
from velvetrope.policy import encryption_context_keys

__all__ = ["KEY_CONDITIONS", "grant_conditions", "key_conditions"]

Context = dict[str, tuple[str, ...]]

_DEFAULT_WAITING_DAYS = 30
_CONTEXT_KEY = "kms:encryptioncontext:"
_ALIASES = "kms:resourcealiases"
_ATTESTATIONS = frozenset(
    {
        "kms:recipientattestation:imagesha384",
        *(f"kms:recipientattestation:{kind}{number}" for kind in ("pcr", "nitrotpmpcr") for number in range(32)),
    }
)
_OF_KEYS: Mapping[str, tuple[str, str]] = {
    "kms:keyspec": ("KeySpec", "SYMMETRIC_DEFAULT"),
    "kms:keyusage": ("KeyUsage", "ENCRYPT_DECRYPT"),
    "kms:keyorigin": ("Origin", "AWS_KMS"),
    "kms:multiregion": ("MultiRegion", "false"),
}
"""What every key is, and the member of CreateKey that would ask for something else."""

KEY_CONDITIONS = (
    frozenset(
        {
            "kms:bypasspolicylockoutsafetycheck",
            "kms:calleraccount",
            "kms:encryptionalgorithm",
            _CONTEXT_KEY,
            "kms:encryptioncontextkeys",
            "kms:multiregionkeytype",
            "kms:requestalias",
            "kms:schedulekeydeletionpendingwindowindays",
            "kms:viaservice",
        }
    )
    | _OF_KEYS.keys()
    | _ATTESTATIONS
)
"""Every key of KMS that is known here, in lower case."""


def key_conditions(
    rule: OperationRule, parameters: Mapping[str, object], call: Call
) -> tuple[Context, tuple[str, ...]]:
    """The condition keys of an operation of KMS, and those beside the rule's own that cannot be told."""
    listed = set(rule.condition_keys)
    context = _of_caller(call)
    for name, (member, usual) in _OF_KEYS.items():
        given = parameters.get(member)
        context[name] = (str(given).lower() if isinstance(given, bool) else str(given),) if given else (usual,)
    if "kms:encryptionalgorithm" in listed:
        context["kms:encryptionalgorithm"] = (str(parameters.get("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")),)
    if "kms:bypasspolicylockoutsafetycheck" in listed:
        bypassed = parameters.get("BypassPolicyLockoutSafetyCheck") is True
        context["kms:bypasspolicylockoutsafetycheck"] = ("true" if bypassed else "false",)
    if "kms:schedulekeydeletionpendingwindowindays" in listed:
        days = parameters.get("PendingWindowInDays", _DEFAULT_WAITING_DAYS)
        context["kms:schedulekeydeletionpendingwindowindays"] = (str(days),)
    given = parameters.get("EncryptionContext")
    if isinstance(given, Mapping):
        context.update(encryption_context_keys({str(key): str(value) for key, value in given.items()}))
    return {**context, **_request_alias(parameters.get("KeyId"))}, (_ALIASES,)


def grant_conditions(service: str, key_name: str, call: Call) -> tuple[Context, tuple[str, ...]]:
    """The condition keys of a CreateGrant that `service` calls for itself, and those that cannot be told.

    What AWS's services write into their grants is not documented, but that they are for AWS resources is.
    """
    via = service.replace(".amazonaws", f".{call.region}.amazonaws")
    context: Context = {
        **_of_caller(call),
        "kms:viaservice": (via,),
        "kms:grantisforawsresource": ("true",),
        **{name: (usual,) for name, (_, usual) in _OF_KEYS.items()},
        **_request_alias(key_name),
    }
    unknown = (
        "kms:grantconstrainttype",
        "kms:granteeprincipal",
        "kms:grantoperations",
        "kms:retiringprincipal",
        _CONTEXT_KEY,
        "kms:encryptioncontextkeys",
        _ALIASES,
    )
    return context, unknown


def _of_caller(call: Call) -> Context:
    context: Context = {"kms:calleraccount": (call.principal.account_id,)}
    if call.called_via:
        context["kms:viaservice"] = (call.called_via[-1].replace(".amazonaws", f".{call.region}.amazonaws"),)
    return context


def _request_alias(name: object) -> Context:
    """`kms:RequestAlias`, where the key is named by one."""
    _, found, alias = str(name).partition("alias/")
    return {"kms:requestalias": (f"alias/{alias}",)} if found else {}
