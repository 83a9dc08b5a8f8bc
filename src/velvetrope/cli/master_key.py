"""`velvetrope rotate-master-key`: a new key to seal with, for a state folder that no server is using."""

from pathlib import Path

from velvetrope.server.machine import SystemEntropy
from velvetrope.server.state_folder import StateFolder, StateFolderError

__all__ = ["rotate"]


def rotate(state_folder: Path) -> str:
    """Make the key, and say what that means.

    Raises:
        StateFolderError: no server has run with this folder, or one is running now.
    """
    if not (state_folder / "master-keys.json").exists():
        raise StateFolderError(
            f"No velvetrope has run with the state folder {state_folder.absolute()}. Start one, or name its "
            "--state-folder."
        )
    entropy = SystemEntropy()
    folder = StateFolder.open(state_folder, entropy)
    try:
        key_id = folder.rotate_master_key(entropy).hex()
    finally:
        folder.close()
    former = len(folder.master_keys.keys) - 1
    kept = "the one before stays" if former == 1 else f"the {former} before stay"
    return f"Master key {key_id} seals from the next start on; {kept}, for what was sealed with it."
