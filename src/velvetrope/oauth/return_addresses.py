"""Where an answer may go: only `authorization.verify_return_address` makes one."""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.oauth.redirects import put_on_uri

__all__ = ["ReturnAddress"]


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """A redirect_uri that was found registered for the client, with the state to echo."""

    redirect_uri: str
    state: str | None
    in_fragment: bool
    """Answers to `response_type=token` go in the fragment, all others in the query."""
    issuer: str | None = None
    """Who answers (`iss`), where the provider says so."""

    def carrying(self, answer: Mapping[str, str]) -> str:
        """The URI to send the browser to with this answer, be it a grant or a refusal (RFC 9207 section 2)."""
        members = dict(answer)
        if self.state is not None:
            members["state"] = self.state
        if self.issuer is not None:
            members["iss"] = self.issuer
        return put_on_uri(self.redirect_uri, members, in_fragment=self.in_fragment)
