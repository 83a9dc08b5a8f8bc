"""Key policies: what a new key has, what can be kept, and what is compiled for whoever judges.

A key policy must allow; an identity policy counts only where the key policy delegates to the account (its root as
principal), as the default one does. That rule is `policy.evaluate`'s (`resource_policy_must_allow`).

A policy that would leave its author unable to change it again is refused, unless the author asks for that.

Source: AWS KMS Developer Guide, "Key policies in AWS KMS", "Default key policy"; API Reference, PutKeyPolicy.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from velvetrope.clock import Clock
from velvetrope.kms.errors import LimitExceededException, MalformedPolicyDocumentException
from velvetrope.operations import Call
from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    MalformedPolicy,
    Policy,
    PolicyPrincipals,
    PrincipalPolicies,
    default_key_policy,
    encryption_context_keys,
    evaluate,
    parse_policy,
    read_policy,
    request_context,
)
from velvetrope.principals import Principal
from velvetrope.store import Database
from velvetrope.store.tables.kms import KeyStore, KmsKey

__all__ = ["KeyPolicies", "default_policy", "judge_service", "prepared_policy"]

MAX_POLICY_BYTES = 32_768
"""Source: AWS KMS Developer Guide, "Resource quotas", key policy document size."""

_EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}
)


class KeyPolicies:
    """The compiled policy of each key."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._store = KeyStore(database)
        self._clock = clock

    async def find(self, key_arn: str) -> Policy | None:
        """The policy of that key; None if there is no such key."""
        key = await self._store.load_key(key_arn, self._clock.now())
        return None if key is None else _compiled(key)


def default_policy(account_id: str) -> str:
    """The key policy that lets the account's identity policies decide."""
    return json.dumps(default_key_policy(account_id), indent=2)


async def prepared_policy(
    principals: PolicyPrincipals, call: Call, document: str, *, key_arn: str, check_lockout: bool
) -> str:
    """The document as it is to be kept.

    Raises:
        LimitExceededException: it is too long.
        MalformedPolicyDocumentException: it is no key policy, names somebody who does not exist, or locks out.
    """
    if len(document.encode()) > MAX_POLICY_BYTES:
        raise LimitExceededException(f"A key policy has at most {MAX_POLICY_BYTES} bytes.")
    try:
        pinned = await principals.pin(call.account_id, document)
        policy = parse_policy(pinned, kind="resource", source=key_arn)
    except MalformedPolicy as malformed:
        raise MalformedPolicyDocumentException(malformed.message, detail=malformed.detail) from None
    if check_lockout and not _author_keeps_hold(policy, call, key_arn):
        # The start of AWS's sentence, as clients quote it.
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future."
        )
    return pinned


def judge_service(
    key: KmsKey, service: Principal, action: str, encryption_context: Mapping[str, str], *, now: datetime
) -> Decision:
    """What the key's own policy says of one of our services that has been given the use of the key.

    It was given by whoever handed the key's ARN to the service and may create grants; what is left to the key policy is
    to forbid it explicitly.
    """
    request = AuthorizationRequest(
        principal=service,
        action=action,
        resource=key.arn,
        resource_account_id=key.account_id,
        context=request_context(
            service,
            now=now,
            source_ip="",
            user_agent=service.name,
            secure_transport=True,
            region=key.region,
            extra={
                "kms:viaservice": (service.name.replace(".amazonaws", f".{key.region}.amazonaws"),),
                **encryption_context_keys(encryption_context),
            },
        ),
        resource_policy=_compiled(key),
        resource_policy_must_allow=True,
    )
    return evaluate(request)


def _author_keeps_hold(policy: Policy, call: Call, key_arn: str) -> bool:
    """Whether whoever calls can put a policy again, as far as the key policy has a say."""
    request = AuthorizationRequest(
        principal=call.principal,
        action="kms:PutKeyPolicy",
        resource=key_arn,
        resource_account_id=call.account_id,
        context=request_context(
            call.principal,
            now=call.now,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            secure_transport=call.secure_transport,
            region=call.region,
            called_via=call.called_via,
            extra={"kms:calleraccount": (call.principal.account_id,)},
        ),
        policies=PrincipalPolicies(identity=(read_policy(_EVERYTHING, kind="identity", source=""),)),
        resource_policy=policy,
        resource_policy_must_allow=True,
    )
    return evaluate(request).allowed


def _compiled(key: KmsKey) -> Policy:
    return read_policy(key.policy, kind="resource", source=key.arn)
