"""Calls that one of our services makes of another under a role: signed and sent to the same door as anyone's.

The role's trust policy must let the calling service assume it (`apigateway.amazonaws.com`,
`cognito-idp.amazonaws.com`). Its credentials are kept until shortly before they end, or until IAM changes. The call
then is a request like any other: the signature is verified, the role's policies are judged, and the decision is
recorded.
"""

from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import unquote

from velvetrope.clock import Entropy
from velvetrope.edge.requests import ControlRequest, WireAnswer, head_of
from velvetrope.execute_api import ServiceAnswer, ServiceCall
from velvetrope.identifiers import new_uuid
from velvetrope.principals import TemporaryCredentials
from velvetrope.sigv4 import SignedRequest, sign_request
from velvetrope.store import ChangeFeed
from velvetrope.sts import RoleAssumption

__all__ = ["ServiceCalls"]

_DURATION_SECONDS = 3_600
_RENEWED_BEFORE = timedelta(minutes=5)


class ControlDoor(Protocol):
    """Answers calls of AWS operations: `edge.OperationDispatcher`."""

    async def answer(self, request: ControlRequest, /) -> WireAnswer: ...


class ServiceCalls:
    """Calls of one service: the `ServiceDoor` of the request lane, and what `role_logs` writes through."""

    def __init__(
        self,
        roles: RoleAssumption,
        changes: ChangeFeed,
        entropy: Entropy,
        *,
        region: str,
        service: str,
        session_name: str,
        user_agent: str,
    ) -> None:
        """`service` is the calling service's host; the other two are what others see of its calls."""
        self._door: ControlDoor | None = None
        self._roles = roles
        self._entropy = entropy
        self._region = region
        self._service = service
        self._session_name = session_name
        self._user_agent = user_agent
        self._credentials: dict[str, TemporaryCredentials] = {}
        self._generation = 0
        changes.subscribe("iam", self._forget)

    def open(self, door: ControlDoor) -> None:
        """Have calls answered by `door` from now on; it is made later than who calls."""
        self._door = door

    async def call(self, call: ServiceCall, now: datetime) -> ServiceAnswer:
        """See `execute_api.ServiceDoor`."""
        if self._door is None:
            raise RuntimeError("the control plane is not there yet")
        credentials = await self.assume(call.role_arn, now)
        host = f"{call.service}.{self._region}.amazonaws.com"
        headers = (("Host", host), ("User-Agent", self._user_agent), *call.headers)
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
                head=head_of(call.method, unquote(call.path), raw_path, query, signed.headers),
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

    async def assume(self, role_arn: str, now: datetime) -> TemporaryCredentials:
        """The role's credentials.

        Raises:
            RoleNotAssumable: no such role, or its trust policy does not name the service.
        """
        known = self._credentials.get(role_arn)
        if known is not None and now < known.expiration - _RENEWED_BEFORE:
            return known
        generation = self._generation
        fresh = await self._roles.assume_role_for_service(
            role_arn,
            service=self._service,
            session_name=self._session_name,
            duration_seconds=_DURATION_SECONDS,
            now=now,
        )
        # A change that was committed while we asked must not be covered by what was so before it.
        if generation == self._generation:
            self._credentials[role_arn] = fresh
        return fresh

    def _forget(self) -> None:
        self._generation += 1
        self._credentials.clear()
