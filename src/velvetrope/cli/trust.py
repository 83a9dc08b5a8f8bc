"""`velvetrope trust`: have this machine trust the server's certificate authority, and say how to undo it.

The CA signs certificates for this server's names only, and its key stays in the state folder with mode 0600. It goes to
where the system keeps its own: the distribution's anchor folder (then its update command), the login keychain on macOS,
and Chromium's per-user store on Linux when `certutil` is there, since Chromium does not read the system's.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from velvetrope.cli.ending import reason_of

__all__ = ["ANCHORS", "Anchors", "Step", "TrustError", "run_steps", "trust_steps", "untrust_steps"]

_NAME = "velvetrope-development-ca"


class TrustError(Exception):
    """The CA could not be installed or removed. The message is for the person at the terminal."""


@dataclass(frozen=True)
class Step:
    """One change: what it does, in words, and the command. `creates` is the file whose presence proves it."""

    words: str
    command: tuple[str, ...]
    needs_root: bool = False


Anchors = tuple[tuple[Path, tuple[str, ...]], ...]
"""Folders in which a distribution keeps anchors, each with the command that makes them count."""

ANCHORS: Anchors = (
    (Path("/usr/local/share/ca-certificates"), ("update-ca-certificates",)),  # Debian, Ubuntu, Alpine
    (Path("/etc/pki/ca-trust/source/anchors"), ("update-ca-trust", "extract")),  # Fedora, RHEL
    (Path("/etc/ca-certificates/trust-source/anchors"), ("trust", "extract-compat")),  # Arch
)


def trust_steps(certificate: Path, home: Path, anchors: Anchors = ANCHORS) -> list[Step]:
    """What trusting `certificate` takes on this machine.

    Raises:
        TrustError: it is no certificate, or nothing here is known to keep certificates.
    """
    if sys.platform == "darwin":
        _check_certificate(certificate)
        keychain = str(home / "Library/Keychains/login.keychain-db")
        command = ("security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, str(certificate))
        return [Step("add it to your login keychain", command)]
    steps: list[Step] = []
    for folder, update in anchors:
        if folder.is_dir() and shutil.which(update[0]):
            target = folder / f"{_NAME}.crt"
            words = f"copy it to {target}"
            steps.append(Step(words, ("install", "-m", "0644", str(certificate), str(target)), needs_root=True))
            steps.append(Step("have the system read it", update, needs_root=True))
            break
    store = home / ".pki/nssdb"
    if shutil.which("certutil"):
        if not store.is_dir():
            steps.append(Step(f"make Chromium's store {store}", ("mkdir", "-p", "-m", "0700", str(store))))
            steps.append(Step("prepare it", ("certutil", "-N", "--empty-password", "-d", f"sql:{store}")))
        add = ("certutil", "-A", "-d", f"sql:{store}", "-t", "C,,", "-n", _NAME, "-i", str(certificate))
        steps.append(Step("add it to Chromium's store", add))
    if not steps:
        raise TrustError(
            "No place that keeps certificates was found on this machine. Install ca-certificates, or have your tools "
            f"trust {certificate}."
        )
    _check_certificate(certificate)
    return steps


def _check_certificate(certificate: Path) -> None:
    """See that there is a certificate before the whole machine is asked to trust it."""
    from cryptography import x509

    try:
        x509.load_pem_x509_certificate(certificate.read_bytes())
    except OSError as err:
        raise TrustError(f"{certificate} cannot be read: {reason_of(err)}.") from None
    except ValueError:
        raise TrustError(
            f"{certificate} is no certificate. Delete it; the server makes another when it is next reached by https."
        ) from None


def untrust_steps(certificate: Path, home: Path, anchors: Anchors = ANCHORS) -> list[Step]:
    """What taking it back takes; an empty list if nothing was installed."""
    if sys.platform == "darwin":
        return [Step("remove it from your keychain", ("security", "remove-trusted-cert", str(certificate)))]
    steps: list[Step] = []
    for folder, update in anchors:
        target = folder / f"{_NAME}.crt"
        if target.exists():
            again = (*update, "--fresh") if update[0] == "update-ca-certificates" else update
            steps.append(Step(f"delete {target}", ("rm", "-f", str(target)), needs_root=True))
            steps.append(Step("have the system forget it", again, needs_root=True))
    store = home / ".pki/nssdb"
    if store.is_dir() and shutil.which("certutil"):
        listed = subprocess.run(  # noqa: S603  the command is our own
            ["certutil", "-L", "-d", f"sql:{store}", "-n", _NAME],  # noqa: S607  certutil is where the PATH says
            capture_output=True,
            check=False,
        )
        if listed.returncode == 0:
            remove = ("certutil", "-D", "-d", f"sql:{store}", "-n", _NAME)
            steps.append(Step("remove it from Chromium's store", remove))
    return steps


def run_steps(steps: list[Step]) -> None:
    """Do the steps in order, through sudo where root is needed and we are not.

    Raises:
        TrustError: a command failed; the steps before it are done.
    """
    for step in steps:
        command = step.command
        if step.needs_root and os.geteuid() != 0:
            if shutil.which("sudo") is None:
                raise TrustError(f"To {step.words}, run this as root: {' '.join(command)}")
            command = ("sudo", *command)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  see trust_steps
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise TrustError(f"Could not {step.words}: {reason[-1] if reason else f'{command[0]} failed'}")
