"""The door for the files of user import jobs: a `PUT` to the address that CreateUserImportJob gave, once.

    curl -T users.csv -H "x-amz-server-side-encryption:aws:kms" "PRE_SIGNED_URL"

The address is all the proof there is, as with S3's; nothing of the body is taken in before it was looked at. The body
goes to the store in pieces, so a large file costs no memory. Answers are S3's: an ETag, or an XML error. A stranger is
told that access is denied; why is in the decision record.

Source: Amazon S3 API Reference, PutObject and "Error responses".
"""

import hashlib
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from velvetrope.decisions import DecisionRecord, DecisionStep, Recorder
from velvetrope.edge.asgi import Receive, Scope
from velvetrope.edge.bodies import ClientGone
from velvetrope.edge.requests import WireAnswer
from velvetrope.userpools import UPLOAD_PATH, FileTooLarge, ImportUpload, ImportUploads, UploadRefused

__all__ = ["UserImportPages"]

_XML: Final = (b"content-type", b"application/xml")


class UserImportPages:
    """See the module."""

    def __init__(self, uploads: ImportUploads, recorder: Recorder) -> None:
        self._uploads = uploads
        self._recorder = recorder

    def owns(self, path: str) -> bool:
        """Whether a file could be put here."""
        return path.startswith(UPLOAD_PATH)

    async def answer(
        self, scope: Scope, receive: Receive, *, source_ip: str, request_id: str, received_at: datetime
    ) -> WireAnswer | None:
        """What the client is told; None if it has gone."""
        if scope["method"] != "PUT":
            return _error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        try:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, strict_parsing=True)
            upload = await self._uploads.open(scope["path"], dict(pairs), now=received_at)
            etag = await self._take(upload, receive)
        except ClientGone:
            return None
        except FileTooLarge:
            answer = _error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
            answer.headers.append((b"connection", b"close"))
            return answer
        except (UploadRefused, ValueError) as reason:
            why = reason.message if isinstance(reason, UploadRefused) else "the address has no query that can be read"
            self._record_refusal(scope, why, source_ip=source_ip, request_id=request_id, at=received_at)
            return _error(403, "AccessDenied", "Access Denied")
        return WireAnswer(200, b"", [(b"etag", f'"{etag}"'.encode())])

    async def _take(self, upload: ImportUpload, receive: Receive) -> str:
        """The file's ETag, once all of it is kept; otherwise nothing is."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone
                data, more = message.get("body", b""), message.get("more_body", False)
                digest.update(data)
                await upload.write(data)
            await upload.finish()
        except BaseException:
            await upload.abandon()
            raise
        return digest.hexdigest()

    def _record_refusal(self, scope: Scope, why: str, *, source_ip: str, request_id: str, at: datetime) -> None:
        self._recorder.record(
            DecisionRecord(
                request_id=request_id,
                at=at,
                service="cognito-idp",
                action="UploadUserImportFile",
                resource="",
                method=scope["method"],
                path=scope["path"],
                source_ip=source_ip,
                principal_arn="",
                outcome="refused",
                status=403,
                code="AccessDenied",
                steps=(DecisionStep("signed address", "refused", why),),
                duration_ms=0.0,
            )
        )


def _error(status: int, code: str, message: str) -> WireAnswer:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return WireAnswer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'.encode(), [_XML])
