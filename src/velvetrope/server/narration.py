"""What a running server tells the person who started it. The CLI writes it to the terminal; tests collect it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Narration", "Ready", "Refusal"]


@dataclass(frozen=True)
class Ready:
    """Everything is applied and the server answers. `new_root_key` is there only when this start made it."""

    address: str
    api_url: str
    routes: tuple[str, ...]
    users: tuple[tuple[str, str], ...]
    state_folder: Path
    new_root_key: tuple[str, str] | None
    has_site: bool
    seconds: float
    database_address: str = ""
    """Host and port of the database door; empty without one."""


@dataclass(frozen=True)
class Refusal:
    """One refused request, in words for the owner."""

    request_id: str
    what: str
    status: int
    code: str
    why: str


class Narration(Protocol):
    """Somebody who listens."""

    def step(self, words: str) -> None: ...

    def say(self, sentence: str) -> None: ...

    def ready(self, ready: Ready) -> None: ...

    def refused(self, refusal: Refusal) -> None: ...

    def failed(self, function_name: str, request_id: str) -> None: ...
