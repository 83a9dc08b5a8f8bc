"""How the person at this terminal calls `velvetrope` again, so that a command that is shown can be copied as it is."""

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Invocation"]

_DEFAULT_STATE_FOLDER = Path(".velvetrope")
_NAMED_BY_SERVER = re.compile(r"\bvelvetrope (logs [\w-]+ --request-id [0-9a-f-]+)")


@dataclass(frozen=True)
class Invocation:
    """The words before a command's name, and the flags that lead to the same server."""

    program: str = "velvetrope"
    flags: str = ""

    @classmethod
    def of_this_process(cls, state_folder: Path) -> "Invocation":
        """As this process was called: `velvetrope` if the shell finds it by that name, else by its path from here."""
        called = sys.argv[0]
        is_own_name = Path(called).name == "velvetrope" and shutil.which("velvetrope") != called
        if is_own_name and Path(called).is_relative_to(Path.cwd()):
            called = str(Path(called).relative_to(Path.cwd()))
        flags = "" if state_folder == _DEFAULT_STATE_FOLDER else f" --state-folder {shlex.quote(str(state_folder))}"
        return cls(shlex.quote(called) if is_own_name else "velvetrope", flags)

    def command(self, words: str) -> str:
        """`words` as a whole command line, such as `.venv/bin/velvetrope explain --state-folder state`."""
        return f"{self.program} {words}{self.flags}"

    def spelled(self, text: str) -> str:
        """`text` with the command that the server names in it, which knows no terminal, as it is typed at this one."""
        return _NAMED_BY_SERVER.sub(lambda named: self.command(named[1]), text)
