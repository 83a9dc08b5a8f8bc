"""Names of one's own: which host names they can be, and which paths below them can lead to an API.

    parse_domain_name("API.example.com", own=())                        # "api.example.com"
    parse_domain_name("cognito-idp.us-west-2.amazonaws.com", own=())    # raises UnusableDomainName
    is_somebody_elses("cognito-idp.us-west-2.amazonaws.com", own=())    # True
    is_mapping_key("v1/pets")                                           # True

`own` are the names that the server itself answers to, `*.` in front for all below one. Whoever may make a domain name
must not be able to take calls that are for others, so what is the server's or AWS's is nobody's to make.

Sources: RFC 1123 section 2.1 (host names); API Gateway API reference, CreateApiMapping and CreateBasePathMapping; the
characters of a key are of the Developer Guide's "Use API mappings to connect API stages to a custom domain name".
"""

import ipaddress
import re
from collections.abc import Collection

from velvetrope.errors import ReasonError

__all__ = [
    "UnusableDomainName",
    "WildcardDomainName",
    "is_domain_name",
    "is_mapping_key",
    "is_somebody_elses",
    "parse_domain_name",
]

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
_KEY = re.compile(r"(?=.{1,300}$)[A-Za-z0-9$._+!*'()-]+(/[A-Za-z0-9$._+!*'()-]+)*")
_OF_AWS = (".amazonaws.com", ".amazoncognito.com", ".on.aws")


class UnusableDomainName(ReasonError):
    """It is no name of a host, or somebody else's."""


class WildcardDomainName(ReasonError):
    """It is for all names below one, which AWS has and we have not."""


def parse_domain_name(text: str, *, own: Collection[str]) -> str:
    """The name in lower case: a host name of two labels or more, no address, and neither the server's nor AWS's.

    Raises:
        WildcardDomainName, UnusableDomainName: see there.
    """
    name = text.lower()
    if name.startswith("*."):
        raise WildcardDomainName("a wildcard domain name")
    if not is_domain_name(name):
        raise UnusableDomainName(f"Invalid domain name specified: {name}")
    if is_somebody_elses(name, own=own):
        raise UnusableDomainName(f"The domain name {name} is one of this server's or of AWS's own")
    return name


def is_domain_name(name: str) -> bool:
    """Whether it is a host name of two labels or more, in lower case, and no address."""
    return _NAME.fullmatch(name) is not None and not _is_address(name)


def is_somebody_elses(name: str, *, own: Collection[str]) -> bool:
    """Whether calls to this domain name, given in lower case, are for the server or for AWS."""
    lower = [host.lower() for host in own]
    is_own = any(name.endswith(host[1:]) if host.startswith("*.") else name == host for host in lower)
    return is_own or name.endswith(_OF_AWS) or "execute-api" in name


def is_mapping_key(key: str) -> bool:
    """Whether it is a path of one segment or more, without slashes around it, of 300 characters at the most.

    Segments of dots alone are none: clients take them out of a path before they send it.
    """
    return _KEY.fullmatch(key) is not None and not {".", ".."} & {*key.split("/")}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
