"""`velvetrope rotate-keys`: new signing keys for a user pool."""

import re
from pathlib import Path

from velvetrope.cli.owner import NoAnswer, OwnersConnection

__all__ = ["rotate_signing_keys"]

_POOL_ID = re.compile(r"[\w-]+_[0-9a-zA-Z]+")


def rotate_signing_keys(state_folder: Path, user_pool_id: str, *, at_once: bool) -> str:
    """Replace them, and say what that means.

    Raises:
        NoAnswer: no server answers, the root key is not its root key, or it has no such pool.
        StateFolderError: no server has run with this state folder.
    """
    if not _POOL_ID.fullmatch(user_pool_id):
        raise NoAnswer(f"{user_pool_id} is no id of a user pool.")
    owner = OwnersConnection.open(state_folder)
    query = "at_once=1" if at_once else ""
    answer = owner.ask("POST", f"/_velvetrope/user-pools/{user_pool_id}/signing-keys", query=query)
    made = "\n".join(f"  {key_id}" for key_id in answer["key_ids"])
    if at_once:
        return f"New keys sign from now on; tokens signed before are refused.\n{made}"
    return f"New keys are published now and sign in an hour; the ones before verify for a day longer.\n{made}"
