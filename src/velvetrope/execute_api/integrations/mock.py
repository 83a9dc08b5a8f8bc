"""MOCK: a fixed answer, made by the gateway itself.

The request template is picked by the request's media type (`application/json` without one). Without a matching template
the body is passed through, unless `passthroughBehavior` says otherwise: NEVER refuses, WHEN_NO_TEMPLATES refuses if
there are any templates. What comes out must be `{"statusCode": …}`, else the API is configured wrongly.

Source: API Gateway Developer Guide, "Set up mock integrations", "Integration passthrough behaviors".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from velvetrope.events import parse_mock_status
from velvetrope.execute_api.errors import ApiConfiguration, UnsupportedMediaType
from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.requests import MatchedRequest

__all__ = ["MockAnswer", "MockIntegration", "answer_mock"]


@dataclass(frozen=True)
class MockAnswer:
    """One fixed answer. `bodies` are by content type; the first is the default."""

    status: int
    pattern: re.Pattern[str] | None
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

    def answer_to(self, status: str) -> MockAnswer | None:
        """The answer whose pattern takes `status`, else the one without a pattern."""
        default = None
        for answer in self.answers:
            if answer.pattern is None:
                default = default or answer
            elif answer.pattern.fullmatch(status):
                return answer
        return default


def answer_mock(mock: MockIntegration, request: MatchedRequest) -> Answer:
    """The fixed answer to a request."""
    headers = request.headers
    media_type = "application/json"
    if b"content-type" in headers:
        media_type = headers[b"content-type"].decode("latin-1").split(";", 1)[0].strip().lower() or media_type
    status = mock.statuses.get(media_type)
    if status is None and media_type not in mock.statuses:
        if mock.passthrough == "NEVER" or (mock.passthrough == "WHEN_NO_TEMPLATES" and mock.statuses):
            raise UnsupportedMediaType(step="integration", detail=f"no request template for {media_type}")
        status = parse_mock_status(request.incoming.body)
    if status is None:
        raise ApiConfiguration(step="integration", detail="the MOCK integration's request yields no statusCode")
    answer = mock.answer_to(status)
    if answer is None:
        raise ApiConfiguration(step="integration", detail=f"no integration response takes the status {status}")
    content_type, body = _body_for(answer, headers.get(b"accept", b""))
    typed = [] if answer.names_its_content_type else [(b"Content-Type", content_type)]
    return Answer(answer.status, [*typed, *answer.headers], body)


def _body_for(answer: MockAnswer, accept: bytes) -> tuple[bytes, bytes]:
    if len(answer.bodies) > 1 and accept:
        wanted = accept.split(b",", 1)[0].split(b";", 1)[0].strip().lower()
        for content_type, body in answer.bodies:
            if content_type.lower() == wanted:
                return content_type, body
    return answer.bodies[0]
