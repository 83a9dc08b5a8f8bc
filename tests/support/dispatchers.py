"""A dispatcher behind which operations are reached by their wire names, with everything allowed and no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.clock import Clock, CountingEntropy
from velvetrope.decisions import DecisionLog
from velvetrope.edge import OperationDispatcher
from velvetrope.operations import Call

__all__ = ["unjudged_dispatcher"]


@dataclass(frozen=True)
class _Allowed:
    """A judge's yes to everything: who may do what is not what is looked at here."""

    action: str = ""
    resource: str = ""
    allowed: bool = True
    because: str = ""
    permission: str = ""
    reasons: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    @property
    def decision(self) -> "_Allowed":
        return self


class _Judge:
    async def judge(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> _Allowed:
        return _Allowed()


class _NoVerifier:
    """Nothing comes over HTTP here."""


def unjudged_dispatcher(clock: Clock, *, account_id: str, region: str) -> OperationDispatcher:
    """Operations are to be registered with it, and called by `invoke`."""
    return OperationDispatcher(
        judge=_Judge(),
        verifier=_NoVerifier(),  # type: ignore[arg-type]  # never asked
        recorder=DecisionLog(),
        clock=clock,
        entropy=CountingEntropy(),
        account_id=account_id,
        region=region,
    )
