"""A folder that AWS SAM deploys as it is: the template, and the code that its functions run.

    write_deployment(Path("app.py"), Path("build"))

    build/template.yaml              the SAM template of the app, its code at `code`
    build/code/                      the app's files
    build/code/velvetrope/           the builder, which the app file imports; nothing else of velvetrope
    build/code/requirements.txt      the app's own lines, and what the builder needs: `sam build` installs them

Our own servers need none of this: functions there find the builder and Powertools beside the server. Nothing is asked
of AWS here, and no credentials are needed.
"""

import re
import shutil
from pathlib import Path

import velvetrope.builder
from velvetrope.synth.app_file import load_app
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.packaging import check_app_folder, package_files
from velvetrope.synth.sam import render_template, sam_template

__all__ = ["POWERTOOLS", "write_deployment"]

POWERTOOLS = "aws-lambda-powertools>=3.20"
"""What the builder imports inside a function; the same line as in `pyproject.toml`."""

_CODE = "code"
_OWN_PACKAGE = "velvetrope"


def write_deployment(app: Path, folder: Path) -> None:
    """Make `folder`, or fill it if it is there and empty.

    Raises:
        AppFileError: `app` is no app; its folder is a server's state, or holds a `velvetrope` of its own; or `folder`
            holds something, or cannot be written. Nothing was written then, but for a write that failed on its way.
    """
    declaration = load_app(app)
    check_app_folder(app.parent)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AppFileError(f"{folder} is not empty. Delete it, or name another folder.")
    if (app.parent / _OWN_PACKAGE).exists():
        raise AppFileError(f"{app.parent / _OWN_PACKAGE} has the name of what the app file imports; choose another.")
    files = list(package_files(app.parent))
    try:
        for file in files:
            _copy(file, folder / _CODE / file.relative_to(app.parent))
        _write_builder(folder / _CODE)
        _require_powertools(folder / _CODE / "requirements.txt")
        (folder / "template.yaml").write_text(render_template(sam_template(declaration, code_uri=_CODE)))
    except OSError as err:
        raise AppFileError(f"{err.filename or folder} cannot be written: {err.strerror}.") from None


def _write_builder(code: Path) -> None:
    builder = Path(velvetrope.builder.__file__).parent
    _copy(builder.parent / "__init__.py", code / _OWN_PACKAGE / "__init__.py")
    for module in sorted(builder.glob("*.py")):
        _copy(module, code / _OWN_PACKAGE / builder.name / module.name)


def _require_powertools(requirements: Path) -> None:
    """Ask for Powertools, unless the app does so itself: its own version wins."""
    lines = requirements.read_text().splitlines() if requirements.exists() else []
    if not any(re.match(r"\s*aws[-_.]lambda[-_.]powertools\b", line, re.IGNORECASE) for line in lines):
        lines.append(POWERTOOLS)
    requirements.write_text("\n".join(lines) + "\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
