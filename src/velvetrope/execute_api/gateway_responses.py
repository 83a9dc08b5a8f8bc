"""Refusals as HTTP: AWS's own form, or the one that the API's author gave them.

A customised type wins, then the author's DEFAULT_4XX or DEFAULT_5XX, then AWS's form. A customised response may set the
status, headers and bodies; one without a body keeps AWS's body (UNVERIFIED for ACCESS_DENIED, whose `Message` becomes
`message` as soon as there is a template). `x-amzn-errortype` and the ids are always there.

With `cors`, every refusal also carries `Access-Control-Allow-Origin: *` and exposes the headers that tell a browser's
script what happened, unless the author set those headers. AWS sends neither; `velvetrope dev` does.

Source: API Gateway Developer Guide, "Gateway responses in API Gateway"; captures of AWS for spacing and casing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from velvetrope.events import GatewayTemplate, parse_gateway_parameter, parse_gateway_template
from velvetrope.execute_api.errors import GatewayRefusal
from velvetrope.store.tables.apigateway import GatewayResponse as GatewayResponseSetting

__all__ = ["GatewayResponses", "RefusalContext", "default_body"]

_CORS = (
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Expose-Headers", b"x-amzn-ErrorType,x-amzn-RequestId,Date"),
)


class RefusalContext(Protocol):
    """What an author's templates may refer to."""

    def lookup(self, kind: str, name: str, /) -> str:
        """The text of a `context`, `stageVariables`, `header`, `querystring` or `path` name; empty without a value."""
        ...


@dataclass(frozen=True)
class _Customised:
    status: int | None
    headers: tuple[tuple[bytes, GatewayTemplate], ...]
    content_type: bytes
    body: GatewayTemplate | None


class GatewayResponses:
    """An API's customised gateway responses, compiled."""

    def __init__(self, settings: Mapping[str, GatewayResponseSetting]) -> None:
        self._customised = {name: _compile(setting) for name, setting in settings.items()}

    def render(
        self, refusal: GatewayRefusal, ids: tuple[tuple[bytes, bytes], ...], context: RefusalContext, *, cors: bool
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of `refusal`; `ids` are the headers that every answer has."""
        fallback = "DEFAULT_4XX" if refusal.http_status < 500 else "DEFAULT_5XX"
        customised = self._customised.get(refusal.response_type) or self._customised.get(fallback)
        status, content_type, body = refusal.http_status, b"application/json", default_body(refusal)
        own: list[tuple[bytes, bytes]] = []
        if customised is not None:
            status = customised.status or status
            own = [(name, _one_line(template.render(context.lookup))) for name, template in customised.headers]
            if customised.body is not None:
                content_type, body = customised.content_type, customised.body.render(context.lookup).encode()
        names = {name.lower() for name, _ in own}
        headers = [
            *([] if b"content-type" in names else [(b"Content-Type", content_type)]),
            (b"Content-Length", str(len(body)).encode()),
            *ids,
            (b"x-amzn-ErrorType", refusal.code.encode()),
            *own,
        ]
        if cors:
            headers += [header for header in _CORS if header[0].lower() not in names]
        return status, headers, body


def default_body(refusal: GatewayRefusal) -> bytes:
    """AWS's own body, to the byte."""
    message = None if refusal.text is None else refusal.message
    separators = (",", ": ") if refusal.spaced else (",", ":")
    return json.dumps({refusal.member: message}, separators=separators, ensure_ascii=False).encode()


def _compile(setting: GatewayResponseSetting) -> _Customised:
    templates = sorted(setting.response_templates.items(), key=lambda item: item[0] != "application/json")
    content_type, body = templates[0] if templates else ("application/json", None)
    return _Customised(
        status=None if setting.status_code is None else int(setting.status_code),
        headers=tuple(
            (name.removeprefix("gatewayresponse.header.").encode(), parse_gateway_parameter(expression))
            for name, expression in setting.response_parameters.items()
        ),
        content_type=content_type.encode(),
        body=None if body is None else parse_gateway_template(body),
    )


def _one_line(value: str) -> bytes:
    return value.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
