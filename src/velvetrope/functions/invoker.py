"""Invoke a function: find what its ARN stands for, see that the caller may, and run it in a warm sandbox.

    invoker = FunctionInvoker(...)
    result = await invoker.invoke(function_arn, event, caller=API_GATEWAY, source_arn=method_arn, now=now)

For a warm function nothing here touches the database or a file: configuration, alias and resource policy are kept in
memory by the ARN that was asked for, and forgotten when a change of any function is committed. A version whose
configuration was changed gets new sandboxes; the old ones finish what they run, and if they were warm, so are the new.

Who may invoke: for one of our own services (`caller.kind == "Service"`) the function's resource policy must allow it,
judged here with the source ARN and the source's account. Every other caller was judged before, by `edge` for the
Invoke operation or by whoever calls on that caller's behalf.

Source: AWS Lambda API Reference, Invoke; reference/lambda.md sections 3 and 6.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from velvetrope.clock import Entropy
from velvetrope.errors import ServiceError
from velvetrope.functions.errors import (
    InvalidRequestContentException,
    InvokeNotPermitted,
    RequestEntityTooLargeException,
    ResourceNotFoundException,
    TooManyRequestsException,
)
from velvetrope.functions.invocations import InitFailed, Invocation
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.permissions import ResourcePolicies
from velvetrope.functions.pools import SandboxPool
from velvetrope.functions.sandboxes import SandboxFactory
from velvetrope.functions.shared_slots import SharedSlots
from velvetrope.identifiers import new_uuid
from velvetrope.policy import AuthorizationRequest, Policy, evaluate, request_context
from velvetrope.principals import Principal
from velvetrope.store import Database
from velvetrope.store.tables.functions import LATEST, FunctionConfiguration, FunctionStore, InvocationTarget

__all__ = ["FunctionInvoker", "InvocationResult", "InvocationType"]

MAX_PAYLOAD_BYTES = 6_291_456
MAX_EVENT_BYTES = 1_048_576
MAX_CLIENT_CONTEXT_BYTES = 3583

InvocationType = Literal["RequestResponse", "Event", "DryRun"]

_log = logging.getLogger(__name__)

_ACTION = "lambda:InvokeFunction"
_SWEEP_SECONDS = 15.0
_READ_AGAIN_SECONDS = 1.0
_MAX_REMEMBERED_SOURCES = 1024
_COGNITO = "cognito-identity.amazonaws.com"


class EventAcceptor(Protocol):
    """Keeps events until they are run: `event_queue.EventQueue`."""

    async def accept(
        self, reference: FunctionReference, payload: bytes, *, request_id: str, cognito_identity: bytes
    ) -> None: ...


class InvocationResult(msgspec.Struct, frozen=True):
    """What Invoke answers. `function_error` is None when the function returned; `log_tail` is the last 4 KB."""

    payload: bytes
    function_error: str | None
    executed_version: str
    request_id: str
    log_tail: bytes


@dataclass(frozen=True, slots=True)
class _PoolKey:
    """A version at one revision. Another revision means other sandboxes."""

    function_arn: str
    version: str
    revision_id: str


@dataclass(frozen=True, slots=True)
class _Share:
    """The version that an alias gives a part of its calls to; `threshold` of 2**32 go there."""

    version: str
    pool: SandboxPool
    threshold: int


@dataclass(slots=True)
class _Target:
    """What one ARN, as asked for, stands for."""

    reference: FunctionReference
    version: str
    pool: SandboxPool
    additional: "_Share | None"
    reserved: int | None
    policy: Policy | None
    decisions: dict[tuple[str, str | None], str] = field(default_factory=dict)
    """Why a caller with a source is refused, empty if it is not. None of the conditions that AddPermission can write
    depends on anything else, so that a decision holds as long as the policy does."""

    @property
    def invoked_arn(self) -> str:
        """As it was asked for, with the qualifier if there was one."""
        return self.reference.qualified_arn


class FunctionInvoker:
    """See the module. Give it back with `close()`: it holds processes."""

    def __init__(
        self,
        database: Database,
        factory: SandboxFactory,
        policies: ResourcePolicies,
        events: EventAcceptor,
        entropy: Entropy,
        *,
        account_id: str,
        region: str,
        max_sandboxes: int,
        max_sandboxes_per_version: int,
        idle_seconds: float,
        shared_slots: SharedSlots | None,
    ) -> None:
        """`shared_slots` counts reserved concurrency where several nodes share the database."""
        self._store = FunctionStore(database)
        self._factory = factory
        self._policies = policies
        self._events = events
        self._entropy = entropy
        self._account_id = account_id
        self._region = region
        self._max_sandboxes = max_sandboxes
        self._max_sandboxes_per_version = max_sandboxes_per_version
        self._idle_seconds = idle_seconds
        self._shared_slots = shared_slots
        self._targets: dict[str, _Target] = {}
        self._pools: dict[_PoolKey, SandboxPool] = {}
        self._failure_listeners: list[Callable[[str, str], None]] = []
        self._retired: list[tuple[_PoolKey, SandboxPool]] = []
        """Of configurations that are no more: they still serve what they had taken."""
        self._generation = 0
        self._reconciliation: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._open = False
        database.changes.subscribe("functions", self._changed)

    def open(self) -> None:
        """Begin to look after idle sandboxes. Needs the running event loop."""
        self._open = True
        self._sweep()

    async def close(self) -> None:
        """End all sandboxes; returns when no process is left."""
        self._open = False
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._reconciliation is not None:
            self._reconciliation.cancel()
            await asyncio.gather(self._reconciliation, return_exceptions=True)
        await asyncio.gather(*(pool.close() for _, pool in self._all_pools()))
        self._pools.clear()
        self._retired.clear()
        self._targets.clear()

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: InvocationType = "RequestResponse",
        client_context: bytes | None = None,
        request_id: str | None = None,
    ) -> InvocationResult:
        """Run the function on `payload` (JSON; empty stands for `{}`) and say how it went.

        `function_arn` is also the ARN that the function sees, so it is passed as the caller wrote it. `source_arn` is
        what the service that calls acts for, such as a method's ARN. What the function itself does wrong is in the
        result, not raised.

        Raises:
            InvokeNotPermitted: the caller is a service that the function's resource policy does not allow.
            ResourceNotFoundException: no such function, version or alias.
            TooManyRequestsException: over the reserved concurrency, too many wait already, or no sandbox can be had.
            AccessDeniedException: the execution role cannot be assumed.
            RequestEntityTooLargeException, InvalidRequestContentException: the payload or the client context is not
                what Lambda takes.
        """
        target = self._targets.get(function_arn) or await self._load_target(function_arn)
        if caller.kind == "Service":
            self._check_policy(target, caller, source_arn, now)
        limit = MAX_EVENT_BYTES if invocation_type == "Event" else MAX_PAYLOAD_BYTES
        if len(payload) > limit:
            raise RequestEntityTooLargeException(
                f"{len(payload)} byte payload is too large for the {invocation_type} invocation type "
                f"(limit {limit} bytes)"
            )
        request_id = request_id or new_uuid(self._entropy)
        if invocation_type == "DryRun":
            return InvocationResult(b"", None, target.version, request_id, b"")
        cognito_identity = _render_cognito_identity(caller) if caller.session else b""
        if invocation_type == "Event":
            # A client context is for synchronous invocations only (Lambda API Reference, Invoke, ClientContext).
            await self._events.accept(
                target.reference, payload, request_id=request_id, cognito_identity=cognito_identity
            )
            return InvocationResult(b"", None, target.version, request_id, b"")
        return await self._run(
            target,
            Invocation(
                request_id=request_id,
                payload=payload or b"{}",
                invoked_function_arn=target.invoked_arn,
                client_context=_render_client_context(client_context) if client_context else b"",
                cognito_identity=cognito_identity,
            ),
        )

    async def run_event(
        self, function_arn: str, payload: bytes, *, request_id: str, cognito_identity: bytes = b""
    ) -> InvocationResult:
        """Run the function on an event that was accepted before; who may was judged then.

        Raises:
            ResourceNotFoundException: no such function, version or alias (any more).
            TooManyRequestsException: over the reserved concurrency, too many wait already, or no sandbox can be had.
            AccessDeniedException: the execution role cannot be assumed.
        """
        target = self._targets.get(function_arn) or await self._load_target(function_arn)
        result = await self._run(
            target,
            Invocation(
                request_id=request_id,
                payload=payload,
                invoked_function_arn=target.invoked_arn,
                cognito_identity=cognito_identity,
            ),
        )
        if result.function_error is not None:
            for tell in self._failure_listeners:
                tell(target.reference.name, request_id)
        return result

    def tell_failures(self, listener: Callable[[str, str], None]) -> None:
        """Call `listener` with a function's name and the request id of each event that it failed on, from now on.

        Of these nobody else hears at once: a caller who waits is answered. It must be quick.
        """
        self._failure_listeners.append(listener)

    async def _run(self, target: _Target, invocation: Invocation) -> InvocationResult:
        if target.reserved is not None:
            await self._check_concurrency(target.reference.arn, target.reserved)
        version, pool, share = target.version, target.pool, target.additional
        if share is not None and int.from_bytes(self._entropy.token_bytes(4)) < share.threshold:
            version, pool = share.version, share.pool
        outcome = await pool.invoke(invocation)
        return InvocationResult(
            outcome.payload, outcome.function_error, version, invocation.request_id, outcome.log_tail
        )

    async def prewarm(self, function_arn: str) -> bool:
        """Have a sandbox ready, so that the next call finds it warm; False if it could not be initialised.

        A failure is not kept: the next invocation tries again and is answered with it.

        Raises:
            ResourceNotFoundException: no such function, version or alias.
            AccessDeniedException: the execution role cannot be assumed.
        """
        target = await self._load_target(function_arn)
        try:
            await target.pool.prewarm()
        except InitFailed:
            return False
        return True

    def process_ids(self) -> list[int]:
        """The processes of all sandboxes: for measuring, and for proving that none is left."""
        found = (sandbox.process_id for _, pool in self._all_pools() for sandbox in pool.sandboxes)
        return [pid for pid in found if pid is not None]

    def _all_pools(self) -> list[tuple[_PoolKey, SandboxPool]]:
        return [*self._pools.items(), *self._retired]

    async def _load_target(self, function_arn: str) -> _Target:
        reference = parse_function_name(function_arn, account_id=self._account_id, region=self._region)
        while True:
            generation = self._generation
            found = await self._store.load_target(reference.arn, reference.qualifier)
            if found is None:
                # Since 2025 Invoke adds the qualifier that was meant when none was asked for.
                missing = f"{reference.arn}:{reference.qualifier or LATEST}"
                raise ResourceNotFoundException(f"Function not found: {missing}")
            policy = await self._policies.find(reference.qualified_arn)
            if generation == self._generation:
                break
            # Something was committed while we read; what we have may be of before and after.
        target = _Target(
            reference=reference,
            version=found.configuration.version,
            pool=self._pool_of(found.configuration),
            additional=self._share_of(found),
            reserved=found.function.reserved_concurrency,
            policy=policy,
        )
        self._targets[function_arn] = target
        return target

    async def _check_concurrency(self, arn: str, reserved: int) -> None:
        """Nothing else happens between its answer and the beginning of whoever asked."""

        def in_flight() -> int:
            return sum(pool.in_flight for key, pool in self._all_pools() if key.function_arn == arn)

        if reserved == 0 or self._shared_slots is None:
            free = in_flight() < reserved
        else:
            free = await self._shared_slots.have(arn, reserved, in_flight)
        if not free:
            raise TooManyRequestsException(reason="ReservedFunctionConcurrentInvocationLimitExceeded")

    def _share_of(self, found: InvocationTarget) -> _Share | None:
        if found.additional is None:
            return None
        threshold = round(found.additional_weight * 2**32)
        return _Share(found.additional.version, self._pool_of(found.additional), threshold)

    def _pool_of(self, configuration: FunctionConfiguration) -> SandboxPool:
        key = _PoolKey(configuration.function_arn, configuration.version, configuration.revision_id)
        pool = self._pools.get(key)
        if pool is None:
            pool = SandboxPool(
                self._factory.maker(configuration),
                limit=self._max_sandboxes_per_version,
                idle_seconds=self._idle_seconds,
                make_room=self._make_room,
                sharing=self._factory.sharing,
            )
            self._pools[key] = pool
        return pool

    def _make_room(self) -> bool:
        """Whether the server may have one sandbox more; the one that has been idle longest is ended if need be."""
        pools = [pool for _, pool in self._all_pools()]
        if sum(pool.size for pool in pools) < self._max_sandboxes:
            return True
        idle = [(since, pool) for pool in pools if (since := pool.idle_since) is not None]
        if not idle:
            return False
        _, longest = min(idle, key=lambda found: found[0])
        longest.end_longest_idle()
        return True

    def _check_policy(self, target: _Target, caller: Principal, source_arn: str | None, now: datetime) -> None:
        asked = (caller.name, source_arn)
        because = target.decisions.get(asked)
        if because is None:
            because = self._judge(target, caller, source_arn, now)
            if len(target.decisions) >= _MAX_REMEMBERED_SOURCES:
                target.decisions.clear()
            target.decisions[asked] = because
        if because:
            what = f"{_ACTION} on resource: {target.invoked_arn}"
            raise InvokeNotPermitted(
                f"User: {caller.arn} is not authorized to perform: {what} {because}",
                detail=f"The source was {source_arn}." if source_arn else "",
            )

    def _judge(self, target: _Target, caller: Principal, source_arn: str | None, now: datetime) -> str:
        source: dict[str, tuple[str, ...]] = {}
        if source_arn is not None:
            source["aws:sourcearn"] = (source_arn,)
            # arn:partition:service:region:ACCOUNT:resource
            account_id = source_arn.split(":", 5)[4] if source_arn.count(":") >= _COLONS_OF_AN_ARN else ""
            if account_id:
                source["aws:sourceaccount"] = (account_id,)
        decision = evaluate(
            AuthorizationRequest(
                principal=caller,
                action=_ACTION,
                resource=target.invoked_arn,
                resource_account_id=self._account_id,
                context=request_context(caller, now=now, source_ip="", region=self._region, extra=source),
                resource_policy=target.policy,
                resource_policy_must_allow=True,
            )
        )
        return "" if decision.allowed else decision.because

    def _changed(self) -> None:
        self._generation += 1
        self._targets.clear()
        if self._open and self._pools and (self._reconciliation is None or self._reconciliation.done()):
            self._reconciliation = asyncio.get_running_loop().create_task(self._reconcile())

    async def _reconcile(self) -> None:
        """Retire the sandboxes of configurations that are no more, and warm up their successors."""
        generation = -1
        while generation != self._generation:
            generation = self._generation
            try:
                in_use = await self._store.load_versions_in_use({key.function_arn for key in self._pools})
            except SQLAlchemyError:
                _log.exception("it could not be read which functions have changed; it is tried again")
                generation = -1
                await asyncio.sleep(_READ_AGAIN_SECONDS)
                continue
            keys = {_PoolKey(*found) for found in in_use}
            versions = {(key.function_arn, key.version) for key in keys}
            for key in [key for key in self._pools if key not in keys]:
                pool = self._pools.pop(key)
                was_warm = bool(pool.sandboxes)
                pool.retire()
                self._retired.append((key, pool))
                if was_warm and (key.function_arn, key.version) in versions:
                    await self._rewarm(key)

    async def _rewarm(self, key: _PoolKey) -> None:
        qualifier = "" if key.version == LATEST else f":{key.version}"
        try:
            await self.prewarm(key.function_arn + qualifier)
        except ServiceError as err:
            _log.info("The new sandbox of %s was not started: %s", key.function_arn, err.message)

    def _sweep(self) -> None:
        for _, pool in self._all_pools():
            pool.sweep()
        self._retired = [(key, pool) for key, pool in self._retired if not pool.empty]
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)


_COLONS_OF_AN_ARN = 5


def _render_client_context(client_context: bytes) -> bytes:
    """The client context as one header line of ASCII: written anew, so that nothing can break out of the header."""
    if len(client_context) > MAX_CLIENT_CONTEXT_BYTES:
        raise InvalidRequestContentException(
            f"Client context must be no more than {MAX_CLIENT_CONTEXT_BYTES} bytes when base64-encoded."
        )
    try:
        return json.dumps(json.loads(client_context)).encode("ascii")
    except ValueError as err:
        raise InvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.") from err


def _render_cognito_identity(caller: Principal) -> bytes:
    """Who the caller is to an identity pool; empty unless its credentials came from one."""
    session = caller.session
    if session is None or session.federated_provider != _COGNITO:
        return b""
    identity = {
        "cognitoIdentityId": "".join(session.claims.get(f"{_COGNITO}:sub", ())[:1]),
        "cognitoIdentityPoolId": "".join(session.claims.get(f"{_COGNITO}:aud", ())[:1]),
    }
    return json.dumps(identity).encode("ascii")
