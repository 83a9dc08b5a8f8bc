"""IP address operators: CIDR blocks. An address without a prefix is itself alone; IPv4 and IPv6 never meet."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["ADDRESS_OPERATORS"]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _reads(value: str) -> bool:
    return _network(value) is not None


def _within(tokens: tuple[Token, ...]) -> Matcher:
    block = _network(text_of(tokens))

    def matches(value: str) -> bool:
        address = _address(value)
        return block is not None and address is not None and address.version == block.version and address in block

    return matches


ADDRESS_OPERATORS = (
    Operator("IpAddress", _within, reads=_reads),
    Operator("NotIpAddress", _within, negates=True, reads=_reads),
)
