"""How AWS shows who a user is at the pool's identity providers.

Two forms of one list. As an attribute (AdminGetUser, ListUsers, GetUser, events of triggers) `identities` is a text of
JSON with a number and a boolean; as the claim of an ID token it is a list whose members are all texts, but for an
issuer that there is none of.

    [{"userId":"1234","providerName":"Google","providerType":"Google","issuer":null,"primary":true,"dateCreated":…}]

Source: Cognito Developer Guide, "Understanding the identity (ID) token" (the claim); the attribute's form is what
clients quote of AdminGetUser.
"""

import json

from velvetrope.store.tables.userpools import User, UserIdentity

__all__ = ["attributes_with_identities", "identities_claim"]


def attributes_with_identities(user: User) -> dict[str, str]:
    """The attributes as they are shown: with `identities` first, if the user has any."""
    if not user.identities:
        return dict(user.attributes)
    shown = [{**_told(one), "primary": one.primary, "dateCreated": _epoch_ms(one)} for one in user.identities]
    return {"identities": json.dumps(shown, separators=(",", ":"), ensure_ascii=False), **user.attributes}


def identities_claim(user: User) -> list[dict[str, str | None]]:
    """The claim of ID tokens; empty for a user whom no provider knows."""
    return [
        {**_told(one), "primary": "true" if one.primary else "false", "dateCreated": str(_epoch_ms(one))}
        for one in user.identities
    ]


def _told(identity: UserIdentity) -> dict[str, str | None]:
    return {
        "userId": identity.user_id,
        "providerName": identity.provider_name,
        "providerType": identity.provider_type,
        "issuer": identity.issuer,
    }


def _epoch_ms(identity: UserIdentity) -> int:
    return int(identity.created_at.timestamp() * 1000)
