"""The state folder: database, master keys, root access key, certificates, function code. One server at a time.

    velvetrope.db            everything that services keep (SQLite)
    master-keys.json         what seals the secrets in it; mode 0600, never in the database
    root-access-key.json     the account's root key; mode 0600
    connection.json          how tools reach the server that ran last (`velvetrope env` reads it); mode 0600
    dev-users.json           keyed digests of the passwords that `dev_user`s were given; mode 0600
    ca/  functions/  synth/  certificates; function code, unpacked; expanded templates
    logs/                    what functions printed

What of it goes with a copy of the store to another place is `TAKEN_ALONG`.

The folder is made with mode 0700. A lock file held for the life of the process keeps a second server out: two processes
would each keep their own caches over one database.
"""

import base64
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from velvetrope.clock import Entropy
from velvetrope.errors import VelvetropeError
from velvetrope.identifiers import new_access_key_id
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.server.settings import RootAccessKey

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = [
    "TAKEN_ALONG",
    "StateFolder",
    "StateFolderError",
    "database_url",
    "load_master_keys",
    "read_connection",
    "read_root_key",
]

_ROOT_KEY = "root-access-key.json"

TAKEN_ALONG = ("master-keys.json", _ROOT_KEY, "dev-users.json", "ca")
"""What a copy of the state is given of the folder, besides the store: keys, and whom clients have been told to trust.

Function code is unpacked anew from the store. What functions printed, how the server was reached and what it keeps to
be quicker stay where they are."""
_BROUGHT = frozenset({"master-keys.json", _ROOT_KEY})
"""What may be in a new folder, from another node's."""


class StateFolderError(VelvetropeError):
    """The state folder cannot be used. The message is one sentence for the person at the terminal."""


@dataclass(frozen=True)
class LoadedRootKey:
    """The root key, and whether this start made it (then it is shown once)."""

    key: RootAccessKey
    is_new: bool


class StateFolder:
    """An open, locked state folder."""

    def __init__(self, path: Path, lock_descriptor: int, master_keys: MasterKeys) -> None:
        self.path = path
        self.master_keys = master_keys
        self._lock_descriptor = lock_descriptor

    @classmethod
    def open(cls, path: Path, entropy: Entropy) -> "StateFolder":
        """Make the folder and its master keys if there are none, and lock it.

        Raises:
            StateFolderError: it cannot be written, is no folder, holds other things, or another server uses it; or its
                keys are damaged or missing.
        """
        path = path.absolute()
        if _holds_other_things(path):
            raise StateFolderError(
                f"{path} holds files that are not a server's state. Choose an empty folder, or a new one, with "
                "--state-folder."
            )
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StateFolderError(f"{path} is a file; the state needs a folder.") from None
        except OSError as err:
            raise _unusable(path, err) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise StateFolderError(
                f"The state folder {path} is in use by a velvetrope that is running (process {holder})."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            return cls(path, descriptor, _load_master_keys(path, entropy))
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Let another server have it."""
        os.close(self._lock_descriptor)

    @property
    def database_url(self) -> "URL":
        return database_url(self.path)

    def rotate_master_key(self, entropy: Entropy) -> bytes:
        """Seal with a new master key from now on, and give its id. The former ones stay: they open what they sealed.

        Sessions that were issued before go on until they expire, since each token says which key it was sealed with.
        """
        self.master_keys = self.master_keys.rotated(entropy)
        _save_master_keys(self.path / "master-keys.json", self.master_keys)
        return self.master_keys.current

    def load_root_key(self, preset: RootAccessKey | None, entropy: Entropy) -> LoadedRootKey:
        """The preset root access key, or the one of this state, made at the first start.

        Raises:
            StateFolderError: the file is damaged.
        """
        if preset is not None:
            return LoadedRootKey(preset, is_new=False)
        kept = read_root_key(self.path)
        if kept is not None:
            return LoadedRootKey(kept, is_new=False)
        secret = base64.b64encode(entropy.token_bytes(30)).decode()
        key = RootAccessKey(new_access_key_id(entropy, "AKIA"), Secret(secret))
        _write_private(self.path / _ROOT_KEY, {"access_key_id": key.access_key_id, "secret_access_key": secret})
        return LoadedRootKey(key, is_new=True)

    def save_connection(self, document: dict[str, Any]) -> None:
        """Keep how this server is reached, for `velvetrope env` and `velvetrope explain`."""
        self.save_private("connection.json", document)

    def save_private(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a JSON document that only the folder's owner may read, in one piece."""
        _write_private(self.path / name, document)


def database_url(path: Path) -> "URL":
    """The URL of a state folder's own database. It is none of text, since a folder may be called anything."""
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(path / "velvetrope.db"))


def read_connection(path: Path) -> dict[str, Any]:
    """What the server that ran last with this state folder said of itself.

    Raises:
        StateFolderError: none has run, what it said is damaged, or it is somebody else's to read.
    """
    document = _read_private(path / "connection.json", "start the server again, which writes it anew")
    if document is None:
        raise StateFolderError(
            f"No velvetrope has run with the state folder {path.absolute()}. Start one, or name its --state-folder."
        )
    return document


def read_root_key(path: Path) -> RootAccessKey | None:
    """The root access key that the state folder `path` keeps; None if it keeps none, since it was preset.

    Raises:
        StateFolderError: it is damaged, or somebody else's to read.
    """
    remedy = "delete it to have a new root access key made at the next start"
    document = _read_private(path / _ROOT_KEY, remedy)
    if document is None:
        return None
    try:
        return RootAccessKey(document["access_key_id"], Secret(document["secret_access_key"]))
    except (ValueError, KeyError, TypeError):
        raise _damaged(path / _ROOT_KEY, remedy) from None


def _read_private(path: Path, remedy: str) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise StateFolderError(f"{path} cannot be read ({err.strerror}).") from None
    except ValueError:
        raise _damaged(path, remedy) from None
    if not isinstance(document, dict):
        raise _damaged(path, remedy)
    return document


def _damaged(path: Path, remedy: str) -> StateFolderError:
    return StateFolderError(f"{path} is damaged; {remedy}.")


def _holds_other_things(path: Path) -> bool:
    try:
        return path.is_dir() and not (path / "lock").exists() and bool({one.name for one in path.iterdir()} - _BROUGHT)
    except OSError as err:
        raise _unusable(path, err) from None


def _unusable(path: Path, err: OSError) -> StateFolderError:
    return StateFolderError(
        f"The state folder {path} cannot be used ({err.strerror}). Choose another with --state-folder."
    )


def _load_master_keys(folder: Path, entropy: Entropy) -> MasterKeys:
    """The master keys, made at the first start; without them, a database that they opened is not to be started over."""
    path = folder / "master-keys.json"
    if path.exists() or (folder / "velvetrope.db").exists():
        return load_master_keys(folder)
    keys = MasterKeys.generate(entropy)
    _save_master_keys(path, keys)
    return keys


def load_master_keys(folder: Path) -> MasterKeys:
    """The master keys of a state folder, whoever has it open.

    Raises:
        StateFolderError: there are none, or they are damaged.
    """
    path, remedy = folder / "master-keys.json", "the state cannot be read without it"
    document = _read_private(path, remedy)
    if document is None:
        raise StateFolderError(
            f"{path} is missing, and the database beside it cannot be read without it. Put it back, or start "
            "afresh with another --state-folder."
            if (folder / "velvetrope.db").exists()
            else f"There is no {path}: no velvetrope has run with that state folder. Name its --state-folder."
        )
    try:
        return MasterKeys(
            current=bytes.fromhex(document["current"]),
            keys={
                bytes.fromhex(key_id): Secret(base64.b64decode(key, validate=True))
                for key_id, key in document["keys"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path, remedy) from None


def _save_master_keys(path: Path, keys: MasterKeys) -> None:
    document = {
        "current": keys.current.hex(),
        "keys": {key_id.hex(): base64.b64encode(key.reveal()).decode() for key_id, key in keys.keys.items()},
    }
    _write_private(path, document)


def _write_private(path: Path, document: Mapping[str, Any]) -> None:
    # Written beside and renamed, so that a crash leaves the old file or the new one, and never with a wider mode.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as err:
        unfinished.unlink(missing_ok=True)
        raise StateFolderError(f"{path} cannot be written ({err.strerror}).") from None
