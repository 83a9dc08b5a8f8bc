"""Puts peers into a folder, from PyPI and npm, each at the version that its module names."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CannotRun", "Package"]

_UV = Path(__file__).parents[2] / ".tools/bin/uv"


class CannotRun(Exception):
    """The peer cannot be had or started on this machine; the message says why."""


@dataclass(frozen=True)
class Package:
    """What is installed. `requirements` are pip's or npm's words; `python` is which PyPI's need, if not this one."""

    name: str
    requirements: tuple[str, ...]
    registry: str = "PyPI"
    python: str = sys.executable

    def install(self, folder: Path) -> Path:
        """The folder that it is in now, under `folder`; what is there already stays.

        Raises:
            CannotRun: the registry, Node or that version of Python is out of reach.
        """
        home = folder / self.name
        done = home / "installed"
        wanted = "\n".join(self.requirements)
        if done.exists() and done.read_text() == wanted:
            return home
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        try:
            self._install_with_uv(home) if self.registry == "PyPI" else self._install_with_npm(home)
        except (subprocess.CalledProcessError, FileNotFoundError) as err:
            said = err.stderr.decode(errors="replace") if isinstance(err, subprocess.CalledProcessError) else str(err)
            raise CannotRun(f"{self.name} cannot be installed: {said.strip()[-600:]}") from err
        done.write_text(wanted)
        return home

    def _install_with_uv(self, home: Path) -> None:
        _run(str(_UV), "venv", "--quiet", "--clear", "--no-python-downloads", "--python", self.python, str(home))
        _run(str(_UV), "pip", "install", "--quiet", "--python", str(home / "bin/python"), *self.requirements)

    def _install_with_npm(self, home: Path) -> None:
        (home / "package.json").write_text('{"private": true}')
        # No install script runs: what these packages need is in them. Peers of packages are pinned by us.
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps")
        _run("npm", "install", *options, "--prefix", str(home), *self.requirements)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
