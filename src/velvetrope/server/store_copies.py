"""A store taken to another place with what belongs to it, and a look at whether one is sound.

    copied = copy_place(parse_place(".velvetrope"), parse_place("/backup/today"), keys_folder=…, told=…)
    faults = check_place(place, keys_folder=…)

A copy is good for whoever has the master keys that its store was sealed by, so both begin with a proof that these are
here. A new state folder gets them with the store, so that a server can start with it as it is; beside a PostgreSQL they
stay in the state folders of its nodes. What of a state folder comes along is `state_folder.TAKEN_ALONG`.

A new state folder is made beside its place, under a name that no server takes for one, and renamed when it is whole. So
there is all of a copy or nothing, however it ends; what a killed one has left is removed by the next to the same place.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from velvetrope.sealing import MasterKeys
from velvetrope.server.master_key_check import MasterKeysUnknown, opens_check
from velvetrope.server.state_folder import TAKEN_ALONG, load_master_keys
from velvetrope.server.store_places import FolderPlace, Place, PlaceRefused, PostgresPlace
from velvetrope.store.copies import Copied, WholeStore, check_schema, copy_store, whole_store
from velvetrope.store.soundness import find_faults
from velvetrope.store.tables.function_code import missing_code
from velvetrope.store.tables.master_keys import load_sealed_check

__all__ = ["check_place", "copy_place"]

Told = Callable[[str, int], None]


def copy_place(source: Place, target: Place, *, keys_folder: Path, told: Told) -> Copied:
    """Copy the store of `source`, which servers may be using, to `target`, which none has used.

    `keys_folder` is the state folder of a node, whose master keys belong to a PostgreSQL; a folder has its own. `told`
    hears of each table, with the number of its rows.

    Raises:
        PlaceRefused: `target` is there already, or cannot be made; or both are PostgreSQL.
        StateFolderError: there are no master keys.
        MasterKeysUnknown: they are not the store's.
        CopyRefused, SchemaTooNew, DatabaseUnsupported, DatabaseUnreachable: see `store.copies`.
    """
    if isinstance(source, PostgresPlace) and isinstance(target, PostgresPlace):
        raise PlaceRefused("From one PostgreSQL to another its own pg_dump and pg_restore take a store.")
    keys_from = _keys_folder(source, keys_folder)
    with _opened(source, keys_from) as (store, _):
        _check_code(store)
        if isinstance(target, PostgresPlace):
            with whole_store(target.url, writes=True) as other:
                return copy_store(store, other, told=told)
        with _new_folder(target.path) as unfinished:
            with whole_store(FolderPlace(unfinished).url, writes=True) as other:
                copied = copy_store(store, other, told=told)
            for name in TAKEN_ALONG:
                _take_along(keys_from / name, unfinished / name)
        return copied


def check_place(place: Place, *, keys_folder: Path) -> Iterator[str]:
    """What is wrong with the store, in sentences, as it is found; `keys_folder` as for `copy_place`.

    Raises:
        See `copy_place`.
    """
    with _opened(place, _keys_folder(place, keys_folder)) as (store, keys):
        yield from find_faults(store, knows_seal=keys.knows)


def _keys_folder(place: Place, keys_folder: Path) -> Path:
    return place.path if isinstance(place, FolderPlace) else keys_folder


@contextmanager
def _opened(place: Place, keys_from: Path) -> Iterator[tuple[WholeStore, MasterKeys]]:
    """A store to read, of this version, with the master keys that are proven to be its own."""
    if isinstance(place, FolderPlace) and not (place.path / "velvetrope.db").exists():
        raise PlaceRefused(
            f"There is no store in {place.path}: no velvetrope has run with that state folder, or with a PostgreSQL "
            "only, which is to be named then."
        )
    with whole_store(place.url, writes=False) as store:
        check_schema(store)
        # After the store's state was chosen: of keys that are added meanwhile one too many is here, and never too few.
        keys = load_master_keys(keys_from)
        _check_keys(store, keys)
        yield store, keys


def _check_keys(store: WholeStore, keys: MasterKeys) -> None:
    sealed = load_sealed_check(store.connection)
    if sealed is None:
        raise PlaceRefused(f"No server has run with {store.name} yet.")
    if not opens_check(keys, sealed):
        raise MasterKeysUnknown(
            f"{store.name} was sealed by other master keys than those of the state folder. Name the state folder of a "
            "node that uses it with --state-folder."
        )


def _check_code(store: WholeStore) -> None:
    missing = missing_code(store.connection)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise PlaceRefused(
            f"The code of {missing[0]}{more} is not in {store.name}, but in the state folder of an older velvetrope "
            "alone. Upload it again (aws lambda update-function-code), then copy."
        )


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` at the end of the block, and is gone if that raises."""
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise PlaceRefused(f"{path} is there already. A store is copied to a new folder, or an empty one.")
    if path.is_mount():
        raise PlaceRefused(f"{path} is where a disk is mounted. Name a new folder in it.")
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(unfinished)
        lock = os.open(unfinished / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PlaceRefused(f"{unfinished} cannot be written ({error.strerror}).") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(unfinished)
        try:
            yield unfinished
            _sync(unfinished)
            unfinished.rename(path)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except BlockingIOError:
        raise PlaceRefused(f"Another copy to {path} is under way.") from None
    except OSError as error:
        raise PlaceRefused(f"{path} cannot be made ({error.strerror}).") from None
    finally:
        os.close(lock)


def _check_own(folder: Path) -> None:
    """Refuse a folder that was there before us and is not such as a killed copy leaves: where others may make folders,
    somebody may wait for the master keys in it, or have put a link there to what is to be removed."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PlaceRefused(f"{folder} is in the way, and no copy has left it. Remove it, or name another folder.")


def _clear(folder: Path) -> None:
    """Remove what a killed copy has left."""
    for found in folder.iterdir():
        if found.name == "lock":
            continue
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink()


def _take_along(source: Path, target: Path) -> None:
    """A file or a folder, with its modes; nothing, where there is none."""
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy(source, target)


def _sync(folder: Path) -> None:
    """Have the disk know what is in the folder, and what it is called."""
    for found in (*folder.rglob("*"), folder):
        descriptor = os.open(found, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
