"""What an AWS operation of ours is: a method whose signature is its contract.

    class GroupOperations:
        @operation
        async def create_group(self, call: Call, *, user_pool_id: str, group_name: str) -> Answer:
            ...

The method's name is the operation's (`CreateGroup`), its keyword parameters are the members of the operation's input
that we support, in snake case; a parameter without a default is one that the model requires or that we do. `edge`
validates a call against botocore's model, then converts it to these parameters by their annotations (`msgspec.Struct`
for structures, declared with `forbid_unknown_fields=True`): a member that the client sent and the signature does not
name is refused by name, never ignored. The answer is a mapping (or a Struct) in snake case, which `edge` serialises by
the model's output shape; None stands for an empty answer, and members that are None are left out.

Validation against the model, signature verification and the caller's policy have all been done before the method runs.
Which operations go unsigned is the model's word (`auth: smithy.api#noAuth`), not ours.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from velvetrope.principals import Principal

__all__ = ["Answer", "Call", "OperationInvoker", "implemented_operations", "operation"]

Answer = Mapping[str, object] | None
"""An output in snake case. Values: str, int, float, bool, bytes, aware datetimes, lists, mappings, Structs."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call of an operation, as far as the operation may know it."""

    principal: Principal
    """Who called; `ANONYMOUS` for operations that AWS leaves unsigned."""
    account_id: str
    region: str
    request_id: str
    now: datetime
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    secure_transport: bool = False
    called_via: tuple[str, ...] = ()
    """The services that make this call with the principal's own rights, the first one first; empty if it calls itself.
    A service that works under a role of its own is that role's principal, and not listed."""
    judged: tuple[str, ...] = ()
    """The resources for which the principal has the permissions that this call takes; empty where nobody was asked. Of
    a name that may stand for another resource by now (an alias), these say for which one it stood."""

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of this account; `region=""` for global ones."""
        return f"arn:aws:{service}:{self.region if region is None else region}:{self.account_id}:{resource}"


P = ParamSpec("P")
R = TypeVar("R")
_MARK = "__velvetrope_operation__"


def operation(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Mark a method as an AWS operation. Only marked methods can be reached over the wire."""
    setattr(method, _MARK, True)
    return method


def implemented_operations(owner: object) -> Mapping[str, Callable[..., Awaitable[object]]]:
    """The bound operation methods of `owner` by their snake-case names."""
    return {
        name: getattr(owner, name)
        for name in dir(type(owner))
        if not name.startswith("_") and getattr(getattr(type(owner), name), _MARK, False)
    }


class OperationInvoker(Protocol):
    """Calls an operation as a client would, without a socket: same validation, same policy check, same errors."""

    async def invoke(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> Mapping[str, object]:
        """`service` is botocore's name (`cognito-idp`); `operation`, `parameters` and the answer use the wire's names.

        Raises:
            ServiceError: as the client would see it.
        """
        ...
