"""Which addresses of identity providers are spoken to."""

from urllib.parse import urlsplit

from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["check_url"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_url(name: str, url: str) -> None:
    """https, or http on this machine: what such a provider says decides who somebody is.

    Raises:
        InvalidParameterException: it is neither; `name` is the detail that holds it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise InvalidParameterException(f"{name}: {url} is no https URL.")
