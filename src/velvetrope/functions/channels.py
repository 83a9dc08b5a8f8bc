"""What a sandbox and its runtime say to each other, whichever of the two ways carries it.

`runtime_api.RuntimeApi` is the Lambda Runtime API over HTTP, `frame_channel.FrameChannel` frames over a socketpair.
Both tell the sandbox what its runtime asks or answers (`ChannelOwner`), and give it an event when there is one
(`Waiting`).
What a call means in the sandbox's present state is the sandbox's to say; how a refusal looks is the channel's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from velvetrope.zygote.frames import Event

__all__ = ["Channel", "ChannelOwner", "Event", "Refusal", "Verdict", "Waiting"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call of a runtime is not taken: HTTP status, and the Runtime API's own error type and message."""

    status: int
    error_type: str
    message: str


Verdict = Refusal | Callable[[], None]
"""What becomes of an answer: why it is refused, or what is left to do once the runtime knows that it is taken."""


class Waiting(Protocol):
    """A runtime that asked for an event and has none yet."""

    def give(self, event: Event) -> None:
        """Answer with the event. Once."""
        ...

    def refuse(self, refusal: Refusal) -> None:
        """Answer that there will be none."""
        ...


class ChannelOwner(Protocol):
    """What a sandbox does when its runtime calls."""

    def next_asked(self, waiting: Waiting) -> None:
        """The runtime is ready for an event; give it to `waiting` when there is one."""
        ...

    def connection_lost(self, waiting: Waiting) -> None:
        """`waiting` is gone, if it ever waited."""
        ...

    def responded(self, request_id: str, body: bytes | None) -> Verdict:
        """The result of an invocation; None if it was too large."""
        ...

    def failed(self, request_id: str, body: bytes | None) -> Verdict:
        """The error of an invocation; None if it was too large."""
        ...

    def init_failed(self, body: bytes | None, error_type: str) -> Refusal | None:
        """The error of the initialisation. None stands for: taken."""
        ...


class Channel(Protocol):
    """One of the two ways."""

    @property
    def follows(self) -> bool:
        """Whether its runtime waits on the processor that an event names."""
        ...

    def drain(self) -> None:
        """Take what the runtime has sent so far: it is about to be declared dead, and may have answered before."""
        ...

    def close(self) -> None:
        """Let go of everything. The owner is not told of anything any more."""
        ...
