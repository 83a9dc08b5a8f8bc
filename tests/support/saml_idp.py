"""A real SAML identity provider: samlify in a process of its own (`tests/javascript/saml_idp.mjs`)."""

import json
import subprocess
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.serialization import Encoding

from support.running import REPOSITORY, clean_environment
from support.saml import CERTIFICATE, KEY, pem_of

__all__ = ["SamlIdp"]


class SamlIdp:
    """`with SamlIdp() as idp:` is there when it listens, and goes at the end. `told` is what it has said so far."""

    def __init__(self) -> None:
        self.origin = ""
        self.told: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        settings = {"key": pem_of(KEY), "certificate": CERTIFICATE.public_bytes(Encoding.PEM).decode()}
        self._process = subprocess.Popen(
            ["node", "saml_idp.mjs", json.dumps(settings)],
            cwd=REPOSITORY / "tests/javascript",
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, complaints = self._process.communicate()
            raise AssertionError(complaints)
        self.origin = json.loads(line)["value"]
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def register(self, **service_provider: str | None) -> None:
        """Make a service provider known: entityId, consumer, logout, signing, encryption (certificates in base64)."""
        body = json.dumps(service_provider).encode()
        with urlopen(Request(f"{self.origin}/register", data=body, method="POST")) as answer:
            assert answer.status == 204

    def heard(self) -> Any:
        """What it tells next."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())["value"]
