"""Where a backend's name leads, and addresses that no backend has unless the owner says so.

A machine in a cloud gets credentials of its own from an address that only it can reach; on a link-local network are the
neighbours that nobody meant to publish. Whoever may write an integration must not thereby reach those through us. The
name is resolved here and the connection made to an address that was looked at, so that a name cannot mean one address
when it is checked and another when it is called.

Refused: link-local addresses of both kinds (RFC 3927, RFC 4291 section 2.5.6), which hold the metadata services of AWS,
Azure and Google, and those that have their own: AWS over IPv6, Alibaba, Azure's wire server, Oracle. An IPv6 address
that stands for an IPv4 one (RFC 4291 section 2.5.5.2, RFC 6052 section 2.1) is judged as that one.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["AddressRefused", "is_refused", "resolve"]

_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "fd00:ec2::254",  # AWS; source: EC2 User Guide, "Access instance metadata"
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle Cloud
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


class AddressRefused(OSError):
    """The name leads to no address but such as are refused."""


def is_refused(text: str) -> bool:
    """Whether an IP address is one that backends do not have. A scope (`%eth0`) changes nothing."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = _embedded(address) or address
    return address.is_link_local or address in _METADATA


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


async def resolve(host: str, port: int, *, allow_link_local: bool) -> list[str]:
    """The addresses of `host`, in the order in which to try them.

    Raises:
        AddressRefused: all of them are refused.
        OSError: there is no such name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    allowed = [address for address in addresses if allow_link_local or not is_refused(address)]
    if not allowed:
        raise AddressRefused(f"{host} is the link-local or metadata address {addresses[0]}, which no backend may have")
    return allowed
