"""The code of all functions: zips in the store, and unpacked on this node as far as it runs them.

    stored = await library.keep(data)             taken in here, and there for every node when this returns
    await library.fetch([sha256, ...])            unpacked here, whichever node took it in
    library.folders.folder_of(sha256)

The store has it where there is one node too, so that whoever has a store and its master keys has all: a store that was
copied to another machine runs there.

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
    """The code is neither here nor in the store: it is our own fault, and the caller's answer a plain 500."""


class CodeLibrary:
    """See the module."""

    def __init__(self, folders: CodeStore, kept: FunctionCodeStore, clock: Clock) -> None:
        self.folders = folders
        self._kept = kept
        self._clock = clock

    async def keep(self, data: bytes) -> StoredCode:
        """Take a zip in.

        Raises:
            InvalidParameterValueException, RequestEntityTooLargeException: see `CodeStore.put_zip`.
        """
        stored = await asyncio.to_thread(self.folders.put_zip, data)
        await self._kept.save(stored.sha256, data, self._clock.now())
        return stored

    async def fetch(self, digests: Iterable[str]) -> None:
        """Have the code of these digests unpacked here.

        Raises:
            CodeGone: one is nowhere.
        """
        for digest in digests:
            if self.folders.folder_of(digest).exists():
                continue
            data = await self._kept.load(digest)
            if data is None or (await asyncio.to_thread(self.folders.put_zip, data)).sha256 != digest:
                raise CodeGone(f"the code {digest} is not in the store")

    async def prune(self, keep: Collection[str]) -> None:
        """Let go of all that is not among `keep`, names of folders; for start-up."""
        await asyncio.to_thread(self.folders.prune, keep)
        await self._kept.prune(keep, self._clock.now())
