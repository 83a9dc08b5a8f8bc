"""boto3 and plain HTTP, with nothing changed but the address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials

__all__ = ["Aws"]

_TIMES = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 0}}


@dataclass(frozen=True)
class Aws:
    """Where a peer answers AWS's operations, and who its administrator is.

    `stage_url` is the address of a deployed REST API's stage, from the API's id and the stage's name. The region is the
    one that a peer takes a call for whose client did not sign, and so named none.
    """

    url: str
    administrator: Credentials
    stage_url: Callable[[str, str], str]
    region: str = "us-east-1"

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        """Signed by the administrator, or by whom it is given."""
        who = credentials or self.administrator
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            aws_session_token=who.token,
            config=Config(**_TIMES),
        )

    def unsigned(self, service: str) -> Any:
        """A client that has no credentials and signs nothing."""
        config = Config(signature_version=UNSIGNED, **_TIMES)
        return boto3.client(service, endpoint_url=self.url, region_name=self.region, config=config)

    def run_by(self, administrator: Credentials) -> "Aws":
        """The same place with another administrator."""
        return replace(self, administrator=administrator)
