"""MOCK: a fixed answer, made by the gateway itself.

The request template is picked by the request's media type (`application/json` without one). Without a matching template
the body is passed through, unless `passthroughBehavior` says otherwise: NEVER refuses, WHEN_NO_TEMPLATES refuses if
there are any templates. What comes out must be `{"statusCode": …}`, else the API is configured wrongly.

Source: API Gateway Developer Guide, "Set up mock integrations", "Integration passthrough behaviors".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from velvetrope.events import parse_mock_status
from velvetrope.execute_api.errors import ApiConfiguration, UnsupportedMediaType
from velvetrope.execute_api.header_lines import header_lines
from velvetrope.execute_api.integrations.answers import with_length
from velvetrope.execute_api.integrations.content import check_readable
from velvetrope.execute_api.requests import GatewayResponse, MatchedRequest
from velvetrope.patterns import Pattern

__all__ = ["MockAnswer", "MockIntegration", "answer_mock"]


class FixedAnswer(NamedTuple):
    """What is the same for everybody: all but the ids."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    lines: bytes
    """`header_lines` of them."""
    body: bytes


_MAX_FOUND = 64
_ANSWERED: Final = ("integration", "allowed", "answered by the MOCK integration")


@dataclass(frozen=True)
class MockAnswer:
    """One fixed answer. `bodies` are by content type; the first is the default."""

    status: int
    pattern: Pattern | None
    headers: tuple[tuple[bytes, bytes], ...]
    bodies: tuple[tuple[bytes, bytes], ...]

    @cached_property
    def names_its_content_type(self) -> bool:
        """One of `headers` is the content type; it holds in place of the body's."""
        return any(name.lower() == b"content-type" for name, _ in self.headers)


@dataclass(frozen=True)
class MockIntegration:
    """A MOCK without expressions: which status a request's content type leads to, and the answers to statuses."""

    statuses: Mapping[str, str | None]
    """By content type in lower case. None: that template yields no status, which is a configuration error."""
    passthrough: str
    answers: tuple[MockAnswer, ...]
    found: dict[tuple[bytes | None, bytes], FixedAnswer] = field(default_factory=dict, compare=False, repr=False)
    """Answers to the Content-Type and Accept headers that were seen, where they depend on nothing else."""

    def answer_to(self, status: str) -> MockAnswer | None:
        """The answer whose pattern takes `status`, else the one without a pattern."""
        default = None
        for answer in self.answers:
            if answer.pattern is None:
                default = default or answer
            elif answer.pattern.matches(status):
                return answer
        return default


def answer_mock(mock: MockIntegration, request: MatchedRequest) -> GatewayResponse:
    """The fixed answer to a request, with its ids; its trail is told."""
    headers, ids = request.headers, request.ids
    asked = headers.get(b"content-type"), headers.get(b"accept", b"")
    status, fixed, lines, body = mock.found.get(asked) or _find_answer(mock, request, *asked)
    request.trail.append(_ANSWERED)
    return GatewayResponse(status, fixed, body, None, lines + ids.lines, ids)


def _find_answer(
    mock: MockIntegration, request: MatchedRequest, content_type: bytes | None, accept: bytes
) -> FixedAnswer:
    media_type = "application/json"
    if content_type is not None:
        media_type = content_type.decode("latin-1").split(";", 1)[0].strip().lower() or media_type
    reads_body = media_type not in mock.statuses
    if not reads_body:
        sent = "" if content_type is None else content_type.decode("latin-1")
        check_readable(sent, request.stage.binary_media_types, handling=None)
    status = mock.statuses.get(media_type)
    if reads_body:
        if mock.passthrough == "NEVER" or (mock.passthrough == "WHEN_NO_TEMPLATES" and mock.statuses):
            raise UnsupportedMediaType(step="integration", detail=f"no request template for {media_type}")
        status = parse_mock_status(request.incoming.body)
    if status is None:
        raise ApiConfiguration(step="integration", detail="the MOCK integration's request yields no statusCode")
    answer = mock.answer_to(status)
    if answer is None:
        raise ApiConfiguration(step="integration", detail=f"no integration response takes the status {status}")
    answers_type, body = _body_for(answer, accept)
    typed = () if answer.names_its_content_type else ((b"Content-Type", answers_type),)
    headers, body = with_length(answer.status, [*typed, *answer.headers], body)
    found = FixedAnswer(answer.status, tuple(headers), header_lines(headers), body)
    if not reads_body and len(mock.found) < _MAX_FOUND:
        mock.found[content_type, accept] = found
    return found


def _body_for(answer: MockAnswer, accept: bytes) -> tuple[bytes, bytes]:
    if len(answer.bodies) > 1 and accept:
        wanted = accept.split(b",", 1)[0].split(b";", 1)[0].strip().lower()
        for content_type, body in answer.bodies:
            if content_type.lower() == wanted:
                return content_type, body
    return answer.bodies[0]
