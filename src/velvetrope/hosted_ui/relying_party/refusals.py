"""Why a provider's answer is not believed, or could not be had."""

from velvetrope.errors import ReasonError

__all__ = ["ProviderRefused"]


class ProviderRefused(ReasonError):
    """The message may be told to the app; `detail` is for the owner of the server."""
