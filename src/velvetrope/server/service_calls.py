"""Calls that API Gateway makes of this server's own services, under a role: signed and sent to the same door as
anyone's.

The role's trust policy must let `apigateway.amazonaws.com` assume it. Its credentials are kept until shortly before
they end, or until IAM changes. The call then is a request like any other: the signature is verified, the role's
policies are judged, and the decision is recorded."""

from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import unquote

from velvetrope.clock import Entropy
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.execute_api import ServiceAnswer, ServiceCall
from velvetrope.identifiers import new_uuid
from velvetrope.sigv4 import SignedRequest, sign_request
from velvetrope.store import ChangeFeed
from velvetrope.sts import RoleAssumption, TemporaryCredentials

__all__ = ["ServiceCalls"]

_SERVICE = "apigateway.amazonaws.com"
_SESSION_NAME = "BackplaneAssumeRoleSession"
_DURATION_SECONDS = 3_600
_RENEWED_BEFORE = timedelta(minutes=5)


class ControlDoor(Protocol):
    """Answers calls of AWS operations: `edge.OperationDispatcher`."""

    async def answer(self, request: ControlRequest, /) -> WireAnswer: ...


class ServiceCalls:
    """The `ServiceDoor` of the request lane."""

    def __init__(self, roles: RoleAssumption, changes: ChangeFeed, entropy: Entropy, *, region: str) -> None:
        self._door: ControlDoor | None = None
        self._roles = roles
        self._entropy = entropy
        self._region = region
        self._credentials: dict[str, TemporaryCredentials] = {}
        changes.subscribe("iam", self._credentials.clear)

    def open(self, door: ControlDoor) -> None:
        """Have calls answered by `door` from now on; it is made later than the request lane."""
        self._door = door

    async def call(self, call: ServiceCall, now: datetime) -> ServiceAnswer:
        """See `execute_api.ServiceDoor`."""
        if self._door is None:
            raise RuntimeError("the control plane is not there yet")
        credentials = await self._credentials_of(call.role_arn, now)
        host = f"{call.service}.{self._region}.amazonaws.com"
        headers = (("Host", host), ("User-Agent", f"AmazonAPIGateway_{self._region}"), *call.headers)
        raw_path, query = call.path.encode("ascii"), call.query.encode("ascii")
        signed = sign_request(
            SignedRequest(
                call.method,
                raw_path,
                query,
                tuple((name.encode("latin-1"), value.encode()) for name, value in headers),
                call.body,
            ),
            access_key_id=credentials.access_key_id,
            secret=credentials.secret_access_key,
            service=call.service,
            region=self._region,
            now=now,
            session_token=credentials.session_token,
        )
        answer = await self._door.answer(
            ControlRequest(
                method=call.method,
                path=unquote(call.path),
                raw_path=raw_path,
                query_string=query,
                headers=tuple(signed.headers),
                body=call.body,
                source_ip="127.0.0.1",
                scheme="https",
                request_id=new_uuid(self._entropy),
                received_at=now,
            )
        )
        return ServiceAnswer(
            status=answer.status,
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers),
            body=answer.body,
        )

    async def _credentials_of(self, role_arn: str, now: datetime) -> TemporaryCredentials:
        known = self._credentials.get(role_arn)
        if known is not None and now < known.expiration - _RENEWED_BEFORE:
            return known
        fresh = await self._roles.assume_role_for_service(
            role_arn, service=_SERVICE, session_name=_SESSION_NAME, duration_seconds=_DURATION_SECONDS, now=now
        )
        self._credentials[role_arn] = fresh
        return fresh
