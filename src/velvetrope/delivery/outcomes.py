"""How sending went, and settings that cannot be used."""

from dataclasses import dataclass

from velvetrope.errors import VelvetropeError

__all__ = ["LOOPBACK_HOSTS", "DeliverySettingRefused", "Undelivered"]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where a message may go without TLS: it does not leave the machine."""


class DeliverySettingRefused(VelvetropeError):
    """An address or URL that nothing can be sent with. The message says what one looks like, and holds no password."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The other side did not take the message. `permanent` means that it would not take it later either."""

    reason: str
    permanent: bool
