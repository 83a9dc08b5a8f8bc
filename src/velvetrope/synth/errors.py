"""What can be said against an app file, and the check that needs nothing but its name."""

import os
from pathlib import Path

__all__ = ["AppFileError", "check_app_file"]


class AppFileError(Exception):
    """The app file cannot be read as an app. The message is for the person who wrote it."""


def check_app_file(path: Path) -> None:
    """Refuse what cannot be an app file by its name alone.

    Raises:
        AppFileError: there is no such file, it cannot be read, or its name is no module name.
    """
    if path.is_dir():
        raise AppFileError(f"{path} is a folder. Name the Python file in it that declares the app.")
    if not path.is_file():
        raise AppFileError(f"There is no file {path}.")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise AppFileError(
            f"{path.name} is not the name of a Python module: letters, digits and underscores, and .py at the end."
        )
    if not os.access(path, os.R_OK):
        raise AppFileError(f"{path} cannot be read: permission denied.")
