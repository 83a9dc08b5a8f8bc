"""What other nodes have committed, as PostgreSQL tells it: LISTEN, and a watch over whether anything would be heard.

A node that does not hear keeps what it has in memory although somebody has taken it back: a policy, a key, a user. So
silence is not taken for peace. The connection that listens is asked something each second; when it has not answered
for `_DEAF_SECONDS`, or is gone, commits may have gone unheard, and the node is told so each second until it hears
again, and once more then: it lets go of all it remembers, and has to ask the database, which answers or does not.

The thread that listens may stand still in the operating system, so another one watches it.

Source: PostgreSQL manual, "NOTIFY" and "Asynchronous Notification"; libpq, "Parameter Key Words".
"""

import os
import selectors
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import psycopg

__all__ = ["Notifications"]

_ASKED_EVERY_SECONDS = 1.0
_DEAF_SECONDS = 3.0
_CLOSING_SECONDS = 5.0

Told = Callable[[Collection[str] | None], None]


class Notifications:
    """Listens from the moment it is made. It tells with topics, or None where something may have gone unheard.

    Raises:
        psycopg.Error: the database cannot be reached now.
    """

    def __init__(self, parameters: Mapping[str, Any], channel: str, node: str, told: Told) -> None:
        self._parameters = parameters
        self._channel = channel
        self._node = node
        self._told = told
        self._closing = threading.Event()
        self._heard_at = time.monotonic()
        self._connection = self._connect()
        self._woken, self._waking = os.pipe()
        self._threads = [
            threading.Thread(target=work, name=f"velvetrope-{name}", daemon=True)
            for name, work in (("listener", self._listen), ("watch", self._watch))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop. Nothing is told after it."""
        self._closing.set()
        os.write(self._waking, b"x")
        for thread in self._threads:
            thread.join(_CLOSING_SECONDS)
        if any(thread.is_alive() for thread in self._threads):
            return  # it waits for a database that does not answer, and ends with the process
        self._connection.close()
        os.close(self._woken)
        os.close(self._waking)

    def _connect(self) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = psycopg.connect(**self._parameters)
        try:
            connection.execute(f"LISTEN {self._channel}".encode())
        except BaseException:
            connection.close()
            raise
        return connection

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                self._hear()
            except psycopg.Error:
                self._connection.close()
                self._tell(None)
                self._reconnect()

    def _hear(self) -> None:
        """Tell of what comes, until the connection is of no use."""
        with selectors.DefaultSelector() as either:
            either.register(self._connection.fileno(), selectors.EVENT_READ)
            either.register(self._woken, selectors.EVENT_READ)
            while not self._closing.is_set():
                # What came along with the answer before is in nobody's socket any more: look before waiting.
                self._tell_what_came()
                either.select(_ASKED_EVERY_SECONDS)
                if time.monotonic() - self._heard_at >= _ASKED_EVERY_SECONDS:
                    self._connection.execute(b"SELECT 1")
                    self._heard_at = time.monotonic()

    def _tell_what_came(self) -> None:
        for notice in self._connection.notifies(timeout=0):
            node, *topics = notice.payload.split(",")
            if node != self._node:
                self._tell(topics)

    def _reconnect(self) -> None:
        while not self._closing.is_set():
            with suppress(psycopg.Error):
                self._connection = self._connect()
                self._heard_at = time.monotonic()
                self._tell(None)  # of what was committed between the two connections
                return
            self._closing.wait(_ASKED_EVERY_SECONDS)

    def _watch(self) -> None:
        while not self._closing.wait(_ASKED_EVERY_SECONDS):
            if time.monotonic() - self._heard_at > _DEAF_SECONDS:
                self._tell(None)

    def _tell(self, topics: Collection[str] | None) -> None:
        if not self._closing.is_set():
            self._told(topics)
