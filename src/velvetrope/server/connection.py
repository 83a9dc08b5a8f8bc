"""How this server is reached, and what runs on it: one document for `velvetrope env`, for browsers and for tests.

`config` holds only what a browser may know. The rest (where the certificate authority is, which of AWS's host names
can be mapped here) is for the owner's tools and goes to the state folder.
"""

from collections.abc import Mapping

from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder

__all__ = ["Connection"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104  compared with, not bound to


class Connection:
    """The addresses of one running server."""

    def __init__(self, settings: Settings, folder: StateFolder, *, port: int) -> None:
        self._settings = settings
        self._folder = folder
        self.port = port
        host = "localhost" if settings.host in _LOOPBACK or settings.host in _ANY else settings.host
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.url = settings.public_url or f"http://{self.authority}"
        self.config: dict[str, str] = {
            "endpoint_url": self.url,
            "region": settings.region,
            "account_id": settings.account_id,
        }

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Host names of our own that the certificate has to name, besides loopback."""
        hosts = {self.authority.rsplit(":", 1)[0].strip("[]")}
        if self._settings.public_url is not None:
            hosts.add(self._settings.public_url.split("://", 1)[1].rsplit(":", 1)[0].strip("[]"))
        return tuple(sorted(hosts - set(_LOOPBACK)))

    @property
    def loopback_and_own_hosts(self) -> tuple[str, ...]:
        """Every host name and address by which this machine may be meant, as they are written before a port."""
        return tuple(f"[{host}]" if ":" in host else host for host in (*_LOOPBACK, *self.own_hosts))

    @property
    def site_urls(self) -> tuple[str, ...]:
        """Every address under which a browser may have opened the web app."""
        if self._settings.public_url is not None:
            return (f"{self._settings.public_url}/",)
        names = ("localhost", "127.0.0.1") if self.authority.startswith("localhost:") else (self.authority,)
        authorities = [f"{name}:{self.port}" if name in _LOOPBACK else name for name in names]
        loopback = [f"http://{authority}/" for authority in authorities if authority.split(":")[0] in _LOOPBACK]
        return (*loopback, *(f"https://{authority}/" for authority in authorities))

    def describe_app(self, outputs: Mapping[str, str], api_key: str | None) -> None:
        """Take what a stack of ours says of itself into the document."""
        names = {
            "user_pool_id": "UserPoolId",
            "user_pool_client_id": "UserPoolClientId",
            "identity_pool_id": "IdentityPoolId",
            "api_id": "ApiId",
        }
        for member in (*names, "oauth_domain", "api_url", "api_key"):
            self.config.pop(member, None)
        self.config |= {member: outputs[output] for member, output in names.items() if output in outputs}
        if "UserPoolDomain" in outputs:
            self.config["oauth_domain"] = self.url.split("://", 1)[1]
        if "ApiId" in outputs and "ApiStage" in outputs:
            self.config["api_url"] = f"{self.url}/_api/{outputs['ApiId']}/{outputs['ApiStage']}"
        if api_key is not None:
            self.config["api_key"] = api_key

    async def for_browsers(self) -> Mapping[str, object]:
        """What `/_velvetrope/config.json` says."""
        return self.config

    def save(self, folder: StateFolder) -> None:
        """Keep it all for `velvetrope env` and `velvetrope explain`."""
        region = self._settings.region
        folder.save_connection(
            {
                "config": self.config,
                "ca_certificate": str(folder.path / "ca" / "ca.pem"),
                "listening_address": self.authority,
                "aws_hosts": [
                    f"cognito-idp.{region}.amazonaws.com",
                    f"cognito-identity.{region}.amazonaws.com",
                    f"*.auth.{region}.amazoncognito.com",
                    f"*.execute-api.{region}.amazonaws.com",
                    f"*.lambda-url.{region}.on.aws",
                ],
            }
        )
