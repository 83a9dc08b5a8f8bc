"""KMS over a database of its own, at a moment that stands still until it is told to move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.stores import open_store
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.iam import IamPrincipals
from velvetrope.kms import KmsService
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.iam import IamStore

ACCOUNT, REGION = "000000000000", "us-west-2"
OWNER = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
NO_KEY = "11111111-2222-4333-8444-555555555555"


def key_arn(key_id: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}"


@dataclass
class Kms:
    """The room, and short ways to call it."""

    database: Database
    service: KmsService
    clock: FrozenClock
    master_keys: MasterKeys
    caller: Principal = OWNER
    judged: tuple[str, ...] = ()
    """What the caller was allowed for; nobody was asked if there is nothing in it."""

    async def operate(self, operation: str, /, **parameters: Any) -> Any:
        """Call the operation of that name as `edge` would, past its checks."""
        call = Call(self.caller, ACCOUNT, REGION, "request", self.clock.now(), judged=self.judged)
        for owner in self.service.operations:
            method = implemented_operations(owner).get(operation)
            if method is not None:
                return await method(call, **parameters)
        raise LookupError(operation)

    async def create(self, **parameters: Any) -> str:
        """Create a key; its id."""
        return str((await self.operate("create_key", **parameters))["key_metadata"]["key_id"])

    async def described(self, key_id: str) -> Any:
        return (await self.operate("describe_key", key_id=key_id))["key_metadata"]

    async def encrypt(self, key_id: str, plaintext: bytes = b"velvet", **parameters: Any) -> bytes:
        return bytes(
            (await self.operate("encrypt", key_id=key_id, plaintext=plaintext, **parameters))["ciphertext_blob"]
        )

    async def decrypt(self, ciphertext: bytes, **parameters: Any) -> bytes:
        return bytes((await self.operate("decrypt", ciphertext_blob=ciphertext, **parameters))["plaintext"])

    def advance(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))


@asynccontextmanager
async def open_kms(folder: Path) -> AsyncIterator[Kms]:
    """KMS with a database of its own in `folder`."""
    database = await open_store(folder)
    clock, entropy = FrozenClock(), CountingEntropy()
    master_keys = MasterKeys.generate(entropy)
    service = KmsService(database, master_keys, IamPrincipals(IamStore(database)), clock, entropy)
    yield Kms(database, service, clock, master_keys)
    await database.close()
