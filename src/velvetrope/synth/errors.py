"""What can be said against an app file, and the check that needs nothing but its name."""

from pathlib import Path

__all__ = ["AppFileError", "check_app_file"]


class AppFileError(Exception):
    """The app file cannot be read as an app. The message is for the person who wrote it."""


def check_app_file(path: Path) -> None:
    """Refuse what cannot be an app file by its name alone.

    Raises:
        AppFileError: there is no such file, or its name is no module name.
    """
    if not path.is_file():
        raise AppFileError(f"There is no file {path}.")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise AppFileError(f"{path.name} is not the name of a Python module.")
