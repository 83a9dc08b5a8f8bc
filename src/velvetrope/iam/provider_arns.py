"""ARNs of identity providers, as the operations on them take them."""

from typing import Literal

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.iam.errors import InvalidInput
from velvetrope.operations import Call

__all__ = ["is_provider_of_account"]


def is_provider_of_account(call: Call, arn: str, kind: Literal["oidc-provider", "saml-provider"]) -> bool:
    """Whether a provider's ARN is of the account that is called; another account's providers are not found here.

    Raises:
        InvalidInput: the ARN of something else, or none.
    """
    try:
        parsed = parse_arn(arn)
    except InvalidArn:
        raise InvalidInput(f"Invalid ARN: {arn}") from None
    if (parsed.service, parsed.region, parsed.resource_type) != ("iam", "", kind):
        raise InvalidInput(f"Invalid ARN: {arn}")
    return parsed.account_id == call.account_id
