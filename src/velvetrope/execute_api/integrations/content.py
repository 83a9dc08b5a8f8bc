"""Bodies between text and binary, as `contentHandling` and the API's binary media types say.

| Payload | The other side asks for | contentHandling | Becomes |
|---|---|---|---|
| text | text | none, CONVERT_TO_TEXT | as it is |
| text | binary | none | decoded from base64 |
| text | any | CONVERT_TO_BINARY | decoded from base64 |
| binary | binary | none, CONVERT_TO_BINARY | as it is |
| binary | text | none | base64 |
| binary | any | CONVERT_TO_TEXT | base64 |

What is binary is told by the media type. A request has no other side: without `contentHandling` it stays as it came,
and a template cannot read it then. So with `*/*` among an API's binary media types a MOCK for preflights is 500, as on
AWS ("Unable to transform request": https://github.com/aws/serverless-application-model/issues/1344).

Source: API Gateway Developer Guide, "Content type conversions in API Gateway",
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
"""

import base64
import binascii
from collections.abc import Sequence

from velvetrope.errors import ReasonError
from velvetrope.events import matches_binary_media_type
from velvetrope.execute_api.errors import ApiConfiguration

__all__ = ["NotBase64", "check_readable", "convert_request", "convert_response"]


class NotBase64(ReasonError):
    """A body was to be decoded and is not base64."""


def convert_request(body: bytes, *, is_binary: bool, handling: str | None) -> bytes:
    """The body of a request as the integration gets it.

    Raises:
        NotBase64: it cannot be converted.
    """
    if handling == "CONVERT_TO_TEXT":
        return base64.b64encode(body) if is_binary else body
    if handling == "CONVERT_TO_BINARY" and not is_binary:
        return _decoded(body)
    return body


def check_readable(content_type: str, binary_media_types: Sequence[str], *, handling: str | None) -> None:
    """That a template may read a request of this media type.

    Raises:
        ApiConfiguration: it is binary, and nothing makes text of it.
    """
    if handling != "CONVERT_TO_TEXT" and matches_binary_media_type(content_type, binary_media_types):
        raise ApiConfiguration(
            step="integration",
            detail=f"Unable to transform request: {content_type or 'what has no media type'} is binary for this API, "
            "which a template cannot read unless contentHandling is CONVERT_TO_TEXT",
        )


def convert_response(body: bytes, *, is_binary: bool, wants_binary: bool, handling: str | None) -> bytes:
    """The body of a response as the caller gets it.

    Raises:
        NotBase64: it cannot be converted.
    """
    if is_binary:
        to_text = handling == "CONVERT_TO_TEXT" or (handling is None and not wants_binary)
        return base64.b64encode(body) if to_text else body
    to_binary = handling == "CONVERT_TO_BINARY" or (handling is None and wants_binary)
    return _decoded(body) if to_binary else body


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise NotBase64("the body is not base64") from None
