"""What a session may carry and how long it may last: policies, tags, sizes, durations.

The packed size is that of inline policies and tags deflated together, as a percentage of `_PACKED_BYTES`. AWS packs in
a format of its own and says only the percentage (UNVERIFIED); what matters is that a token fits into a header. Managed
policies travel in the token too, and have a limit of their own.

Sources: AWS STS API reference, AssumeRole (Policy, Tags, TransitiveTagKeys, DurationSeconds); IAM User Guide, "Pass
session tags in AWS STS", "Roles terms and concepts" (role chaining), "IAM and AWS STS quotas".
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from velvetrope.policy import MalformedPolicy, parse_policy
from velvetrope.sts.errors import (
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)
from velvetrope.tags import is_reserved

__all__ = ["check_duration", "check_packed_size", "check_session_policy", "merge_tags"]

_PACKED_BYTES: Final = 2048
_MANAGED_BYTES: Final = 4096
_PLAIN_POLICY_CHARACTERS: Final = 2048
_CHAINED_SECONDS: Final = 3600


def check_session_policy(document: str | None, policy_arns: Sequence[str] = ()) -> None:
    """The text, if there is one, is a policy that can limit a session, and is not too long with these ARNs.

    Raises:
        MalformedPolicyDocument: it is not one.
        PackedPolicyTooLarge: it is longer than 2048 characters, the ARNs of managed policies included.
    """
    characters = len(document or "") + sum(len(arn) for arn in policy_arns)
    if characters > _PLAIN_POLICY_CHARACTERS:
        percent = -(-characters * 100 // _PLAIN_POLICY_CHARACTERS)
        raise PackedPolicyTooLarge(f"Packed policy consumes {percent}% of allotted space, please use smaller policy.")
    if document is None:
        return
    try:
        parse_policy(document, kind="session")
    except MalformedPolicy as error:
        raise MalformedPolicyDocument(error.message, detail=error.detail) from error


def check_packed_size(policies: Sequence[str], tags: Mapping[str, str], *, managed: Sequence[str] = ()) -> int:
    """How much of its space a session uses, in percent, rounded up. `managed` documents have space of their own.

    Raises:
        PackedPolicyTooLarge: more than all of it.
    """
    if managed:
        percent = -(-_packed_bytes(managed) * 100 // _MANAGED_BYTES)
        if percent > 100:
            raise PackedPolicyTooLarge(
                f"Packed managed policies consume {percent}% of allotted space, please use smaller policies."
            )
    if not policies and not tags:
        return 0
    packed = _packed_bytes([list(policies), dict(tags)])
    percent = -(-packed * 100 // _PACKED_BYTES)
    if percent > 100 and policies:
        raise PackedPolicyTooLarge(f"Packed policy consumes {percent}% of allotted space, please use smaller policy.")
    if percent > 100:
        raise PackedPolicyTooLarge(f"Packed size of session tags consumes {percent}% of allotted space.")
    return percent


def _packed_bytes(value: object) -> int:
    return len(zlib.compress(msgspec.json.encode(value), 9))


def check_duration(seconds: int, *, role_maximum_seconds: int, chained: bool) -> None:
    """A role session may last this long.

    Raises:
        ValidationError: longer than the role allows, or than an hour when the caller itself is a role session.
    """
    if chained and seconds > _CHAINED_SECONDS:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if seconds > role_maximum_seconds:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def merge_tags(
    tags: Sequence[tuple[str, str]],
    transitive_tag_keys: Sequence[str],
    *,
    inherited: Mapping[str, str],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The session's tags and which of them are transitive: those passed now, and those `inherited` by chaining.

    Keys are unique whatever their case, which is kept.

    Raises:
        InvalidParameterValue: two keys differ by case only, one begins with `aws:`, a transitive key is not among the
            tags, or a tag is passed that the calling session hands on already.
    """
    requested = dict(tags)
    lowered = {key.lower() for key in requested}
    if len(lowered) != len(tags):
        raise InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(map(is_reserved, requested)):
        # IAM User Guide, "Tags for IAM resources": the prefix is AWS's own. UNVERIFIED: the sentence.
        raise InvalidParameterValue("One of the tag keys is reserved: keys that begin with aws: belong to AWS.")
    by_lower = {key.lower(): key for key in requested}
    if any(key.lower() not in by_lower for key in transitive_tag_keys):
        raise InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")
    if any(key.lower() in lowered for key in inherited):
        raise InvalidParameterValue(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session."
        )
    transitive = dict.fromkeys([*inherited, *(by_lower[key.lower()] for key in transitive_tag_keys)])
    return {**inherited, **requested}, tuple(transitive)
