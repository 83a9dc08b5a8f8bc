"""Function code: zips in, read-only folders out, one folder per digest.

    store = CodeStore(state_folder / "functions" / "code")
    stored = store.put_zip(zip_bytes)                # unpacked once, however often it is uploaded
    store.folder_of(stored.sha256)                   # what a sandbox runs in
    store.lay_over(["first digest", "second"])       # layers, merged into what a sandbox has at /opt

A zip is a stranger's data. It is refused whole, before a byte of it is written, if an entry would land outside its
folder, is a link or a device, is encrypted, is packed by other means than deflate, or if the sizes that it declares are
over Lambda's limits; and while it is unpacked if an entry turns out longer than it declared, or its name too long.
Folders appear complete or not at all: they are unpacked beside their place and renamed.

Nothing here is asynchronous; callers run `put_zip` in a thread. The zips themselves are in the store, from which
`code_library` unpacks what this node does not have.

Sources: Lambda quotas (50 MB zipped, 250 MB unzipped); texts as recorded in reference/lambda.md section 8.
"""

import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from velvetrope.functions.errors import InvalidParameterValueException, RequestEntityTooLargeException

__all__ = ["CodeStore", "StoredCode"]

MAX_ZIPPED_BYTES = 52_428_800
MAX_UNZIPPED_BYTES = 262_144_000
MAX_ENTRIES = 65_535
"""As many as a zip without the ZIP64 extension can name. Lambda publishes no figure of its own."""
MAX_DEPTH = 100
"""Folders in folders. Lambda publishes none for these either."""

_CANNOT_UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@dataclass(frozen=True, slots=True)
class StoredCode:
    """Code that was taken in: the zip's SHA-256 in hexadecimal, and its length."""

    sha256: str
    size_bytes: int


class CodeStore:
    """The code of all functions, by digest, under one folder of the server's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_zip(self, data: bytes) -> StoredCode:
        """Take a zip in and unpack it, unless its digest is here already.

        Raises:
            InvalidParameterValueException: not a zip, not one that may be unpacked, or too large unpacked.
            RequestEntityTooLargeException: too large as it is.
        """
        if len(data) > MAX_ZIPPED_BYTES:
            raise RequestEntityTooLargeException(f"Zipped size must be smaller than {MAX_ZIPPED_BYTES} bytes")
        stored = StoredCode(hashlib.sha256(data).hexdigest(), len(data))
        place = self.folder_of(stored.sha256)
        if place.exists():
            return stored
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unpacked = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=self._folder))
        try:
            _unpack(data, unpacked)
            unpacked.rename(place)
        except BaseException as err:
            _remove(unpacked)
            if isinstance(err, OSError) and place.exists():
                # Somebody else unpacked the same digest meanwhile: theirs is as good as ours.
                return stored
            raise
        return stored

    def folder_of(self, sha256: str) -> Path:
        """Where the code of that digest is, or would be."""
        return self._folder / sha256

    def layered_folder(self, digests: Sequence[str]) -> Path | None:
        """Where the layers of these digests are laid over each other, or would be; None if there are none."""
        if not digests:
            return None
        if len(digests) == 1:
            return self.folder_of(digests[0])
        return self.folder_of("opt-" + hashlib.sha256(",".join(digests).encode()).hexdigest())

    def lay_over(self, digests: Sequence[str]) -> None:
        """Make `layered_folder`, unless it is there: where two layers have the same file, the later one's is taken."""
        place = self.layered_folder(digests)
        if place is None or place.exists():
            return
        merged = Path(tempfile.mkdtemp(prefix=".merging-", dir=self._folder))
        try:
            for digest in digests:
                _merge(self.folder_of(digest), merged)
            for here, _folders, _files in os.walk(merged, topdown=False):
                Path(here).chmod(0o555)
            merged.rename(place)
        except OSError:
            _remove(merged)
            if not place.exists():
                raise

    def unpacked_bytes(self, sha256: str) -> int:
        """What the code of that digest has unpacked."""
        walked = os.walk(self.folder_of(sha256))
        return sum(Path(here, name).stat().st_size for here, _folders, files in walked for name in files)

    def prune(self, keep: Collection[str]) -> None:
        """Remove all folders but those named in `keep`, and what an interrupted upload left behind."""
        if self._folder.exists():
            for found in self._folder.iterdir():
                if found.name not in keep:
                    _remove(found)


def _unpack(data: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            for entry in entries:
                _unpack_entry(archive, entry, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as err:
        raise InvalidParameterValueException(_CANNOT_UNZIP, detail=str(err)) from err
    for here, _folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(here, name)
            path.chmod(0o555 if path.stat().st_mode & stat.S_IXUSR else 0o444)
        Path(here).chmod(0o555)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if not entries or len(entries) > MAX_ENTRIES:
        raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"The zip has {len(entries)} entries.")
    if sum(entry.file_size for entry in entries) > MAX_UNZIPPED_BYTES:
        raise InvalidParameterValueException(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
    folders: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if len(path.parts) > MAX_DEPTH:
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"A name has {len(path.parts)} parts.")
        above = path.parent
        while above not in folders:
            folders.add(above)
            above = above.parent
        if len(folders) > MAX_ENTRIES:
            # Each of a few thousand entries could ask for a hundred folders that the zip does not list.
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail="The zip makes too many folders.")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or "\0" in entry.filename:
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"{entry.filename!r} leaves its folder.")
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"{entry.filename!r} is no plain file.")
        if entry.flag_bits & 0x1:
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"{entry.filename!r} is encrypted.")
        # UNVERIFIED: which methods AWS takes. LZMA's lets an entry say how many gigabytes its reader sets aside.
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            method = f"{entry.filename!r} is compressed by method {entry.compress_type}."
            raise InvalidParameterValueException(_CANNOT_UNZIP, detail=method)


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    path = folder / entry.filename
    try:
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as packed, path.open("xb") as plain:
            # zipfile reads no further than the declared size, which was counted, and checks the CRC at its end.
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as err:
        raise InvalidParameterValueException(_CANNOT_UNZIP, detail=f"{entry.filename!r} is there twice.") from err
    except OSError as err:
        if err.errno != errno.ENAMETOOLONG:
            raise
        raise InvalidParameterValueException(_CANNOT_UNZIP, detail="A name is too long.") from err
    if (entry.external_attr >> 16) & 0o111:
        path.chmod(0o755)


def _merge(layer: Path, into: Path) -> None:
    for here, folders, files in os.walk(layer):
        there = into / Path(here).relative_to(layer)
        for name in folders:
            if (there / name).is_file():
                (there / name).unlink()
            (there / name).mkdir(exist_ok=True)
        for name in files:
            if (there / name).is_dir() or (there / name).exists():
                _remove(there / name)
            # Nobody writes to either: both are read-only, and belong to the server.
            os.link(Path(here, name), there / name)


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for here, _folders, _files in os.walk(path):
        Path(here).chmod(0o700)
    shutil.rmtree(path)
