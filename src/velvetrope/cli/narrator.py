"""What the terminal shows while a server starts, runs and refuses.

On a terminal the present step is one line that is rewritten; in a file or a pipe every step is a line of its own, so
that a log stays readable. Colours only on a terminal, and never with NO_COLOR (https://no-color.org).

Nobody has to read along. Refusals and failures are written by a thread of their own, so that a pipe which is full or a
terminal which was stopped (Ctrl-S) holds up no request; what does not find room in its queue is counted and told later.
"""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import TextIO

from velvetrope.cli.invocation import Invocation
from velvetrope.cli.terminal import shown
from velvetrope.server.narration import Ready, Refusal

__all__ = ["Narrator"]

_MAX_WAITING = 256
_PATIENCE_SECONDS = 1.0
"""How long somebody who has something to say waits for the refusals before it."""


class Narrator:
    """Writes for a person."""

    def __init__(self, stream: TextIO, invocation: Invocation = Invocation()) -> None:
        self._stream = stream
        self._invocation = invocation
        self._live = stream.isatty()
        self._colour = self._live and "NO_COLOR" not in os.environ
        self._open_line = False
        self._refusals: deque[str] = deque()
        self._untold = 0
        self._is_writing = False
        self._changed = Condition()
        self._teller: Thread | None = None

    def step(self, words: str) -> None:
        """What is being done at this moment; the next step replaces it."""
        if not self.wait_until_told():
            return
        if self._live:
            self._stream.write(f"\r\x1b[2K  {self._paint('2', words)}")
            self._open_line = True
        else:
            self._stream.write(f"  {words}\n")
        self._stream.flush()

    def say(self, sentence: str) -> None:
        """Something that stays on the screen; nothing, if nobody reads what was written before it."""
        if not self.wait_until_told():
            return
        self._close_line()
        self._stream.write(f"{sentence}\n")
        self._stream.flush()

    def ready(self, ready: Ready) -> None:
        """The server answers; where, and with what."""
        self.wait_until_told()
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
        env = self._invocation.command("env --root-key")
        rows.append(("Tools", f'eval "$({env})"  then use aws, boto3, Terraform …'))
        self._stream.write(
            f"\n  {self._paint('1;35', 'velvetrope')} is ready in {ready.seconds:.1f} s\n\n"
            + self._table(rows)
            + f"\n  {self._paint('2', 'Refusals are explained here as they happen. Ctrl-C stops the server.')}\n\n"
        )
        self._stream.flush()

    def refused(self, refusal: Refusal) -> None:
        """Somebody was refused; why, for the owner. Does not wait for whoever reads it."""
        head = f"{self._paint('31', str(refusal.status))} {shown(refusal.what)}  {self._paint('2', refusal.code)}"
        explain = self._invocation.command(f"explain {refusal.request_id}")
        self._tell_soon(f"  {head}\n      {shown(self._invocation.spelled(refusal.why))}\n      {explain}\n")

    def failed(self, function_name: str, request_id: str) -> None:
        """A function failed on an event, of a queue or one that was left for it: nobody was answered with that."""
        head = f"{self._paint('31', 'failed')} {shown(function_name)}  {self._paint('2', 'on an event')}"
        logs = self._invocation.command(f"logs {function_name} --request-id {request_id}")
        self._tell_soon(f"  {head}\n      {logs}\n")

    def _tell_soon(self, lines: str) -> None:
        with self._changed:
            if len(self._refusals) >= _MAX_WAITING:
                self._untold += 1
                return
            self._refusals.append(lines)
            self._changed.notify_all()
            if self._teller is None:
                self._teller = Thread(target=self._tell, name="velvetrope-narrator", daemon=True)
                self._teller.start()

    def wait_until_told(self) -> bool:
        """Wait a moment for the refusals so far to be written; whether they were."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._refusals or self._is_writing), timeout=_PATIENCE_SECONDS)

    def _tell(self) -> None:
        """Write refusals as they come, for as long as there is a process."""
        while True:
            lines = self._take()
            with suppress(
                OSError, ValueError
            ):  # the reader is gone; `velvetrope explain` has the refusals all the same
                self._write(lines)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _take(self) -> str:
        with self._changed:
            self._changed.wait_for(lambda: self._refusals)
            self._is_writing = True
            lines = "".join(self._refusals)
            self._refusals.clear()
            if self._untold:
                explain = self._invocation.command("explain")
                lines += f"  {self._untold} more were refused or failed; {explain} has the last refusals\n"
                self._untold = 0
            return lines

    def _write(self, lines: str) -> None:
        """Past the stream's buffer: a thread that is held up there would keep its lock, and the process from ending."""
        self._close_line()
        try:
            descriptor = self._stream.fileno()
        except OSError:  # a stream in memory
            self._stream.write(lines)
            return
        self._stream.flush()
        left = lines.encode(self._stream.encoding or "utf-8", "replace")
        while left:
            left = left[os.write(descriptor, left) :]

    def _table(self, rows: Sequence[tuple[str, str]]) -> str:
        width = max(len(name) for name, _ in rows) + 2
        return "".join(f"  {self._paint('2', name.ljust(width))}{value}\n" for name, value in rows)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _close_line(self) -> None:
        if self._open_line:
            self._stream.write("\r\x1b[2K")
            self._open_line = False
