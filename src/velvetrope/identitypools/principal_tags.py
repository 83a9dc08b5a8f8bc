"""Session tags made from claims: attributes for access control.

Without a map for a provider there are no tags. The default map of a user pool gives `username` (claim `sub`) and
`client` (claim `aud`), as botocore's model describes UseDefaults. A claim that is absent sets no tag, and neither does
one that is a list (both UNVERIFIED). As soon as one tag is set, the role's trust policy must allow `sts:TagSession`.

Source: Cognito Developer Guide, "Using attributes for access control", "Default provider mappings".
"""

from collections.abc import Sequence
from typing import Final

from velvetrope.identitypools.errors import bad_configuration
from velvetrope.identitypools.logins import VerifiedLogin
from velvetrope.identitypools.role_choice import claim_texts
from velvetrope.store.tables.identitypools import IdentityPool

__all__ = ["DEFAULT_TAGS", "principal_tags"]

DEFAULT_TAGS: Final = {"username": "sub", "client": "aud"}
_MAX_VALUE_CHARACTERS: Final = 256
_MAX_BYTES: Final = 460
"""Of all keys and values together. Source: Cognito Developer Guide, "Using attributes for access control"."""


def principal_tags(pool: IdentityPool, logins: Sequence[VerifiedLogin]) -> dict[str, str]:
    """The session tags of these logins; of two logins that set one tag the first counts.

    Raises:
        InvalidIdentityPoolConfigurationException: more than a session may carry.
    """
    tags: dict[str, str] = {}
    for login in logins:
        mapping = pool.principal_tag_maps.get(login.provider)
        if mapping is None:
            continue
        for key, claim in (DEFAULT_TAGS if mapping.use_defaults else mapping.principal_tags).items():
            value = login.claims.get(claim)
            if isinstance(value, list):
                continue
            for text in claim_texts(value):
                tags.setdefault(key, text)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in tags.items())
    if size > _MAX_BYTES or any(len(value) > _MAX_VALUE_CHARACTERS for value in tags.values()):
        raise bad_configuration(f"the principal tags have {size} bytes; a session may carry {_MAX_BYTES}")
    return tags
