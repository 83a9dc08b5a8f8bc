"""The code of all functions: unpacked on this node, and kept for the others where nodes share a store.

    stored = await library.keep(data)             taken in here, and there for every node when this returns
    await library.fetch([sha256, ...])            unpacked here, whichever node took it in
    library.folders.folder_of(sha256)

The digest is the proof: what comes from the store is unpacked under the digest that it has, not under one that it was
asked by.
"""

import asyncio
from collections.abc import Collection, Iterable

from velvetrope.clock import Clock
from velvetrope.functions.code import CodeStore, StoredCode
from velvetrope.store.tables.function_code import FunctionCodeStore

__all__ = ["CodeGone", "CodeLibrary"]


class CodeGone(Exception):
    """No node that shares this store has kept the code: it is our own fault, and the caller's answer a plain 500."""


class CodeLibrary:
    """`shared` is None where there are no other nodes."""

    def __init__(self, folders: CodeStore, shared: FunctionCodeStore | None, clock: Clock) -> None:
        self.folders = folders
        self._shared = shared
        self._clock = clock

    async def keep(self, data: bytes) -> StoredCode:
        """Take a zip in.

        Raises:
            InvalidParameterValueException, RequestEntityTooLargeException: see `CodeStore.put_zip`.
        """
        stored = await asyncio.to_thread(self.folders.put_zip, data)
        if self._shared is not None:
            await self._shared.save(stored.sha256, data, self._clock.now())
        return stored

    async def fetch(self, digests: Iterable[str]) -> None:
        """Have the code of these digests unpacked here.

        Raises:
            CodeGone: one is nowhere.
        """
        if self._shared is None:
            return
        for digest in digests:
            if self.folders.folder_of(digest).exists():
                continue
            data = await self._shared.load(digest)
            if data is None or (await asyncio.to_thread(self.folders.put_zip, data)).sha256 != digest:
                raise CodeGone(f"the code {digest} is not in the store")

    async def prune(self, keep: Collection[str]) -> None:
        """Let go of all that is not among `keep`, names of folders; for start-up."""
        await asyncio.to_thread(self.folders.prune, keep)
        if self._shared is not None:
            await self._shared.prune(keep, self._clock.now())
