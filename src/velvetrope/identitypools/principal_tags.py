"""Session tags made from claims: attributes for access control.

Without a map for a provider there are no tags. The default map gives `username` (claim `sub`) and `client` (claim
`aud`), as botocore's model describes UseDefaults; for SAML `username` (the NameID) and `name` (the claim of that name),
the keys of which are UNVERIFIED. A claim that is absent sets no tag, and neither does one that is a
list (both UNVERIFIED). Developer providers have no map: the backend states the tags of each token. As soon as one tag
is set, the role's trust policy must allow `sts:TagSession`.

Source: Cognito Developer Guide, "Using attributes for access control", "Default provider mappings".
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from velvetrope.identitypools.errors import bad_configuration
from velvetrope.identitypools.logins import SAML_NAME_IDENTIFIER, VerifiedLogin
from velvetrope.identitypools.role_choice import claim_texts
from velvetrope.store.tables.identitypools import IdentityPool

__all__ = ["DEFAULT_TAGS", "principal_tags", "why_too_large"]

DEFAULT_TAGS: Final = {"username": "sub", "client": "aud"}
DEFAULT_SAML_TAGS: Final = {
    "username": SAML_NAME_IDENTIFIER,
    "name": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
}
_MAX_VALUE_CHARACTERS: Final = 256
_MAX_BYTES: Final = 460
"""Of all keys and values together. Source: Cognito Developer Guide, "Using attributes for access control"."""


def principal_tags(
    pool: IdentityPool, logins: Sequence[VerifiedLogin], *, given: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The session tags of these logins, beside those `given`; of two sources of one tag the first counts.

    Raises:
        InvalidIdentityPoolConfigurationException: more than a session may carry.
    """
    tags = dict(given)
    known = {key.lower() for key in given}
    for login in logins:
        mapping = pool.principal_tag_maps.get(login.tag_map_key)
        if mapping is None:
            continue
        defaults = DEFAULT_SAML_TAGS if login.kind == "saml" else DEFAULT_TAGS
        for key, claim in (defaults if mapping.use_defaults else mapping.principal_tags).items():
            value = login.claims.get(claim)
            if key.lower() in known or isinstance(value, list):
                continue
            for text in claim_texts(value):
                tags[key] = text
                known.add(key.lower())
    too_large = why_too_large(tags)
    if too_large is not None:
        raise bad_configuration(too_large)
    return tags


def why_too_large(tags: Mapping[str, str]) -> str | None:
    """What is wrong with tags that no session may carry; None if one may."""
    if any(len(value) > _MAX_VALUE_CHARACTERS for value in tags.values()):
        return f"a principal tag has more than {_MAX_VALUE_CHARACTERS} characters"
    size = sum(len(key.encode()) + len(value.encode()) for key, value in tags.items())
    if size > _MAX_BYTES:
        return f"the principal tags have {size} bytes; a session may carry {_MAX_BYTES}"
    return None
