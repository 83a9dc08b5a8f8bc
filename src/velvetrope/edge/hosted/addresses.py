"""Which user pool and which endpoint a URL means.

    https://PREFIX.auth.REGION.amazoncognito.com/oauth2/token   by host, as on AWS
    https://localhost:4800/PREFIX/oauth2/token                  by the first path segment
    https://localhost:4800/oauth2/token                         the only pool that has a domain
    https://localhost:4800/POOLID/.well-known/jwks.json         by pool id, whatever the host

Only the shape is read here; whether there is such a pool is the directory's to say, and which endpoints there are the
table's (`table`). Path style takes the paths of the table for itself, and `X/login` and the like for every X that could
be a domain prefix.

Source: Cognito Developer Guide, "User pool endpoints"; botocore's cognito-idp model, DomainType and UserPoolIdType.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

__all__ = ["HostedAddress", "HostedAddresses", "is_aws_host", "is_loopback_host", "parse_host"]

PoolBy = Literal["only", "domain", "id"]

_AWS_DOMAIN_HOST = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.auth\.[a-z0-9-]+\.amazoncognito\.com")
_AWS_ISSUER_HOST = re.compile(r"cognito-idp\.[a-z0-9-]+\.amazonaws\.com")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_POOL_ID = re.compile(r"[\w-]{1,40}_[0-9A-Za-z]{1,40}", re.ASCII)
_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_LOOPBACK_IPV4 = re.compile(r"127(?:\.[0-9]{1,3}){3}")


@dataclass(frozen=True, slots=True)
class HostedAddress:
    """What a URL means to the hosted UI."""

    pool_by: PoolBy
    pool: str
    """The domain prefix or the pool id; empty for the only one."""
    endpoint: str
    """As on AWS: `/oauth2/token`, `/login`, `/.well-known/jwks.json` …"""
    prefix: str
    """What stands before `endpoint` in our paths: nothing, or `/PREFIX`."""


@dataclass(frozen=True, slots=True)
class HostedAddresses:
    """Reads URLs, given the paths that there are."""

    on_a_domain: Collection[str]
    on_the_issuer: Collection[str]

    def parse(self, host: str, path: str) -> HostedAddress | None:
        """The pool and the endpoint; None when the URL is not one of the hosted UI's. `host` comes without its port."""
        first, slash, rest = path[1:].partition("/")
        after_first = slash + rest
        if after_first in self.on_the_issuer and _POOL_ID.fullmatch(first):
            return HostedAddress("id", first, after_first, "")
        aws = _AWS_DOMAIN_HOST.fullmatch(host.lower())
        if aws is not None:
            return HostedAddress("domain", aws.group(1), path, "") if path in self.on_a_domain else None
        if path in self.on_a_domain:
            return HostedAddress("only", "", path, "")
        if after_first in self.on_a_domain and _DOMAIN.fullmatch(first):
            return HostedAddress("domain", first, after_first, f"/{first}")
        return None


def parse_host(header: str) -> tuple[str, str] | None:
    """A Host header as (host, port): the port is empty when there is none. None when it is no host at all."""
    found = _HOST.fullmatch(header)
    return None if found is None else (found.group(1), found.group(2) or "")


def is_aws_host(host: str) -> bool:
    """Whether `host` is AWS's name of a user pool domain. Such names reach us when a client has mapped them here."""
    return _AWS_DOMAIN_HOST.fullmatch(host.lower()) is not None


def is_issuer_host(host: str) -> bool:
    """Whether `host` is AWS's name of the user pools API, where issuers live."""
    return _AWS_ISSUER_HOST.fullmatch(host.lower()) is not None


def is_loopback_host(host: str) -> bool:
    """Whether `host` is this machine by its name: localhost, a name under it, 127/8 or ::1."""
    name = host.lower().rstrip(".")
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or name in {"[::1]", "::1"}
        or _LOOPBACK_IPV4.fullmatch(name) is not None
    )
