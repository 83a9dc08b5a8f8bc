"""The zip of a function's code: the app's folder, the same bytes for the same content.

Left out are hidden files, caches, virtual environments, folders that are JavaScript projects (they hold a
`package.json`), state folders (they hold master keys) and logs: none of them is code of a Python function, and a log of
`velvetrope dev` itself would have the app applied again for every line. Entries are sorted and carry a fixed time, so
the digest changes exactly when the content does.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from velvetrope.synth.errors import AppFileError

__all__ = ["CodePackage", "check_app_folder", "package_files", "package_folder"]

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "dist", "build"})
_NOT_CODE = ("package.json", "master-keys.json", "pyvenv.cfg")
"""What marks a folder that is something else: a JavaScript project, a state folder, a virtual environment."""
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class CodePackage:
    """A zip and the SHA-256 of it, in lower-case hex."""

    zip_bytes: bytes
    digest: str


def package_files(folder: Path) -> Iterator[Path]:
    """The files of `folder` that belong to the function, sorted by path."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in _SKIPPED_FOLDERS and not any((path / name).exists() for name in _NOT_CODE):
                yield from package_files(path)
        elif path.suffix not in (".pyc", ".log"):
            yield path


def check_app_folder(folder: Path) -> None:
    """Refuse a folder whose files must never become part of a function.

    Raises:
        AppFileError: it holds a server's state.
    """
    if (folder / "master-keys.json").exists():
        raise AppFileError(f"{folder} is a state folder, and an app's code goes into its function. Keep them apart.")


def package_folder(folder: Path) -> CodePackage:
    """The function's code as Lambda takes it.

    Raises:
        AppFileError: the folder holds a server's state, which must never become part of a function.
    """
    check_app_folder(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package_files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _FIXED_TIME)
            entry.external_attr = (0o100755 if path.stat().st_mode & 0o111 else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    zip_bytes = buffer.getvalue()
    return CodePackage(zip_bytes, hashlib.sha256(zip_bytes).hexdigest())
