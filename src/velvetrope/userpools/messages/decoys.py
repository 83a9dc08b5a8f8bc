"""What a stranger is told of a user who is not there: an address that the name could have, always the same.

Source: Cognito Developer Guide, "Managing user existence error responses".
"""

from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools import UserPool
from velvetrope.userpools.directory import EMAIL, PHONE_NUMBER, PresentedName, username_form
from velvetrope.userpools.messages.outbox import Address

__all__ = ["Decoys", "usual_addresses"]

_PURPOSE = "userpools.decoy-destination"


class Decoys:
    """Makes addresses up."""

    def __init__(self, master_keys: MasterKeys) -> None:
        self._master_keys = master_keys

    def destination(self, pool: UserPool, name: PresentedName, address: Address) -> str:
        """The name itself where it is such an address, else a made-up one."""
        return self.of(pool, name.text, name.key, address)

    def of(self, pool: UserPool, username: str, username_key: str, address: Address) -> str:
        """The same, for a name in its two forms: as it was presented, and as it is looked up."""
        if (EMAIL if address == "email" else PHONE_NUMBER).fullmatch(username):
            return username_form(pool, username)  # in which the addresses of real users are
        # The oldest key, so that a rotation does not change what a stranger is told about a name.
        digest = self._master_keys.derive(
            purpose=_PURPOSE,
            info=f"{pool.id}|{username_key}|{address}".encode(),
            key_id=next(iter(self._master_keys.keys)),
        )
        if address == "email":
            return f"{chr(ord('a') + digest[0] % 26)}@{chr(ord('a') + digest[1] % 26)}"
        return f"+1555555{int.from_bytes(digest[:4]) % 10_000:04d}"


def usual_addresses(pool: UserPool, username: str) -> tuple[Address, ...]:
    """Where a plain user of that name could be reached: by the name, or by the addresses that the pool verifies."""
    if pool.username_attributes:
        return ("phone_number",) if username.startswith("+") else ("email",)
    return pool.auto_verified_attributes or ("email", "phone_number")
