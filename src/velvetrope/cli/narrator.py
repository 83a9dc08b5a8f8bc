"""What the terminal shows while a server starts, runs and refuses.

On a terminal the present step is one line that is rewritten; in a file or a pipe every step is a line of its own, so
that a log stays readable. Colours only on a terminal, and never with NO_COLOR (https://no-color.org).
"""

import os
from collections.abc import Sequence
from typing import TextIO

from velvetrope.server.narration import Ready, Refusal

__all__ = ["Narrator"]


class Narrator:
    """Writes for a person."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._colour = self._live and "NO_COLOR" not in os.environ
        self._open_line = False

    def step(self, words: str) -> None:
        """What is being done at this moment; the next step replaces it."""
        if self._live:
            self._stream.write(f"\r\x1b[2K  {self._paint('2', words)}")
            self._open_line = True
        else:
            self._stream.write(f"  {words}\n")
        self._stream.flush()

    def say(self, sentence: str) -> None:
        """Something that stays on the screen."""
        self._close_line()
        self._stream.write(f"{sentence}\n")
        self._stream.flush()

    def ready(self, ready: Ready) -> None:
        """The server answers; where, and with what."""
        self._close_line()
        rows: list[tuple[str, str]] = [("Open" if ready.has_site else "Address", self._paint("1", ready.address))]
        rows += [("Call", f"{ready.api_url}{path}") for path in ready.routes]
        rows += [("Sign in as", f"{username}  with password  {password}") for username, password in ready.users]
        if ready.database_address:
            rows.append(("Database", f"{ready.database_address}  (PostgreSQL, with IAM authentication)"))
        rows.append(("State", f"{ready.state_folder}  (delete it to start afresh)"))
        if ready.new_root_key is not None:
            key_id, secret = ready.new_root_key
            rows.append(("Root key", f"{key_id}  {secret}"))
            rows.append(("", "shown this once; kept in root-access-key.json there"))
        rows.append(("Tools", 'eval "$(velvetrope env --root-key)"  then use aws, boto3, Terraform …'))
        self._stream.write(
            f"\n  {self._paint('1;35', 'velvetrope')} is ready in {ready.seconds:.1f} s\n\n"
            + self._table(rows)
            + f"\n  {self._paint('2', 'Refusals are explained here as they happen. Ctrl-C stops the server.')}\n\n"
        )
        self._stream.flush()

    def refused(self, refusal: Refusal) -> None:
        """Somebody was refused; why, for the owner."""
        self._close_line()
        head = f"{self._paint('31', str(refusal.status))} {refusal.what}  {self._paint('2', refusal.code)}"
        self._stream.write(f"  {head}\n      {refusal.why}\n      velvetrope explain {refusal.request_id}\n")
        self._stream.flush()

    def _table(self, rows: Sequence[tuple[str, str]]) -> str:
        width = max(len(name) for name, _ in rows) + 2
        return "".join(f"  {self._paint('2', name.ljust(width))}{value}\n" for name, value in rows)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _close_line(self) -> None:
        if self._open_line:
            self._stream.write("\r\x1b[2K")
            self._open_line = False
