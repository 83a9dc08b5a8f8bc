"""Which addresses of identity providers are spoken to."""

from velvetrope.oauth import is_redirect_uri
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["check_url"]


def check_url(name: str, url: str) -> None:
    """https, or http on this machine: what such a provider says decides who somebody is.

    Raises:
        InvalidParameterException: it is neither; `name` is the detail that holds it.
    """
    if not (is_redirect_uri(url) and url.startswith(("https://", "http://"))):
        raise InvalidParameterException(f"{name}: {url} is no https URL.")
