"""Keys as callers name them: key id, key ARN, alias name, alias ARN.

Source: AWS KMS Developer Guide, "Key identifiers (KeyId)".
"""

import re

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.kms.errors import (
    InvalidAliasNameException,
    InvalidArnException,
    NotFoundException,
    UnsupportedOperationException,
)

__all__ = ["ALIAS", "check_alias_name", "parse_key_name"]

ALIAS = "alias/"

_KEY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]+")


def parse_key_name(name: str, *, account_id: str, region: str) -> str:
    """The ARN, of a key or of an alias, that `name` stands for. Whether it exists is not said.

    Raises:
        NotFoundException: neither an id nor an alias.
        InvalidArnException: an ARN of something else, or of another partition, account or region.
    """
    resource = name
    if name.startswith("arn:"):
        try:
            arn = parse_arn(name)
        except InvalidArn:
            raise InvalidArnException(f"Invalid arn {name}") from None
        if (arn.partition, arn.service, arn.region, arn.account_id) != ("aws", "kms", region, account_id):
            raise InvalidArnException(f"Invalid arn {name}", detail="another partition, service, region or account")
        resource = arn.resource
        if not resource.startswith((ALIAS, "key/")):
            raise InvalidArnException(f"Invalid arn {name}")
    elif not name.startswith(ALIAS):
        resource = f"key/{name}"
    known = _ALIAS if resource.startswith(ALIAS) else _KEY_ID
    if known.fullmatch(resource.removeprefix("key/")) is None:
        raise NotFoundException(f"Invalid keyId '{name}'")
    return f"arn:aws:kms:{region}:{account_id}:{resource}"


def check_alias_name(name: str) -> None:
    """Refuse what no new alias can be called; `alias/aws/` is for the keys that services keep, of which there are none.

    Raises:
        InvalidAliasNameException, UnsupportedOperationException: with AWS's rule. Texts UNVERIFIED.
    """
    if _ALIAS.fullmatch(name) is None:
        raise InvalidAliasNameException(
            "Alias must start with the prefix alias/ and have letters, digits, slashes, underscores and hyphens only."
        )
    if name.startswith("alias/aws/"):
        raise UnsupportedOperationException("Aliases that begin with alias/aws/ are reserved for AWS managed keys.")
