"""What a running server issued in the past: made with its own keys, from a copy of its state folder."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from botocore.credentials import Credentials

from support.running import RunningServer
from velvetrope.clock import FrozenClock
from velvetrope.principals import Principal, Session
from velvetrope.sealing import MasterKeys
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.server.state_folder import StateFolder
from velvetrope.store import Database
from velvetrope.store.tables.userpools import UserPoolStore
from velvetrope.sts import Sessions
from velvetrope.tokens import sign_token
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.workers import Workers

ACCOUNT = "123456789012"


class FormerServer:
    """Issues with the keys of `server`, an hour and more ago."""

    def __init__(self, server: RunningServer, copy: Path) -> None:
        copy.mkdir()
        (copy / "lock").touch()
        shutil.copy(server.state_folder / "master-keys.json", copy)
        with (
            closing(sqlite3.connect(server.state_folder / "velvetrope.db")) as source,
            closing(sqlite3.connect(copy / "velvetrope.db")) as target,
        ):
            source.backup(target)
        folder = StateFolder.open(copy, SystemEntropy())
        self._master_keys: MasterKeys = folder.master_keys
        self._database_url = folder.database_url
        folder.close()

    def session(self) -> Credentials:
        """A session of a role that ended an hour ago."""
        now = SystemClock().now()
        principal = Principal(
            kind="AssumedRole",
            account_id=ACCOUNT,
            arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/former/session",
            policy_arn=f"arn:aws:iam::{ACCOUNT}:role/former",
            unique_id="AROAEXAMPLEEXAMPLE123:session",
            name="former",
            session=Session(issued_at=now - timedelta(hours=2), expires_at=now - timedelta(hours=1), claims={}),
        )
        issued = Sessions(self._master_keys, SystemEntropy()).issue(principal)
        return Credentials(issued.access_key_id, issued.secret_access_key.reveal(), issued.session_token)

    def id_token(self, pool_id: str, client_id: str, issuer: str) -> str:
        """An ID token of the pool that ended an hour ago."""
        return asyncio.run(self._id_token(pool_id, client_id, issuer))

    async def _id_token(self, pool_id: str, client_id: str, issuer: str) -> str:
        now = SystemClock().now()
        database = await Database.open(self._database_url, durable=False)
        workers, store = Workers(database, 1), UserPoolStore(database)
        keys = PoolKeys(store, self._master_keys, SystemEntropy(), workers, FrozenClock(now), database.changes)
        pair = await keys.signing_pair(pool_id)
        workers.close()
        await database.close()
        issued_at = int((now - timedelta(hours=2)).timestamp())
        claims = {"sub": "former", "iss": issuer, "aud": client_id, "token_use": "id"}
        return sign_token({**claims, "iat": issued_at, "auth_time": issued_at, "exp": issued_at + 3600}, pair.id_key)
