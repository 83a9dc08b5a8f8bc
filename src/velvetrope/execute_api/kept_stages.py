"""Stages in their compiled form, and when they are made anew.

    if stages.is_outdated:
        await stages.reload()

A commit of the control plane publishes a topic; the first request after it reads what is deployed, in one transaction.
So whoever has deployed, and then calls, meets what was deployed. A stage that did not change keeps its compiled form. A
stage that this version does not understand is closed, and no reason to close others. What is read is
said by the subclass of each kind of API.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeAlias, TypeVar

from velvetrope.errors import ReasonError
from velvetrope.store import ChangeFeed

__all__ = ["KeptStages", "StageKey"]

StageKey: TypeAlias = tuple[str, str]
"""API id and stage name."""


class _Stage(Protocol):
    @property
    def deployment_id(self) -> str | None: ...


S = TypeVar("S", bound=_Stage)
D = TypeVar("D")
C = TypeVar("C")


class KeptStages(ABC, Generic[S, D, C]):
    """The stages of one account and region, as of the last `reload`.

    `load_deployment` takes API id and deployment id. `compile_stage` raises a `ReasonError` for a stage that this
    version does not understand.
    """

    def __init__(
        self,
        changes: ChangeFeed,
        topic: str,
        *,
        load_deployment: Callable[[str, str], Awaitable[D | None]],
        compile_stage: Callable[[D, S], C],
    ) -> None:
        self.is_outdated = True
        """Whether something was published since the stages were read."""
        self._load_deployment = load_deployment
        self._compile_stage = compile_stage
        self._compiled: dict[StageKey, tuple[S, C]] = {}
        self._published = 1
        self._reloading = asyncio.Lock()
        changes.subscribe(topic, self.forget)

    def forget(self) -> None:
        """Have the next request read everything anew."""
        self._published += 1
        self.is_outdated = True

    async def reload(self) -> None:
        """Read what is deployed, if that has not been done since the last change."""
        async with self._reloading:
            if not self.is_outdated:
                return
            # Noted before the read: what is committed while we read is one more change.
            published = self._published
            await self._load()
            self.is_outdated = self._published != published

    @abstractmethod
    async def _load(self) -> None:
        """Read what is deployed, and `_compile` it."""

    def _known_deployments(self) -> set[tuple[str, str]]:
        """API id and deployment id of those that need not be read again."""
        return {
            (api_id, stage.deployment_id)
            for (api_id, _), (stage, _) in self._compiled.items()
            if stage.deployment_id is not None
        }

    async def _compile(
        self, stages: Mapping[StageKey, S], deployments: Mapping[tuple[str, str], D]
    ) -> tuple[dict[StageKey, C], dict[StageKey, str]]:
        """The stages in compiled form, and why the others are broken; one whose deployment is gone is neither.

        `deployments` are those that were read, by API id and deployment id.
        """
        compiled: dict[StageKey, tuple[S, C]] = {}
        broken: dict[StageKey, str] = {}
        for key, stage in stages.items():
            kept = self._compiled.get(key)
            if kept is not None and kept[0] == stage:
                compiled[key] = kept
                continue
            if stage.deployment_id is None:
                continue
            deployed = key[0], stage.deployment_id
            deployment = deployments.get(deployed) or await self._load_deployment(*deployed)
            if deployment is None:
                continue
            try:
                compiled[key] = stage, self._compile_stage(deployment, stage)
            except ReasonError as finding:
                broken[key] = finding.message
        self._compiled = compiled
        return {key: served for key, (_, served) in compiled.items()}, broken
