"""IAM on a real SQLite file, at a moment that stands still, and callers for it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from support.stores import open_store
from velvetrope.clock import CountingEntropy
from velvetrope.iam import AccessKeys, ControlPlaneJudge, MfaDevices, PolicyGatherer, iam_operations
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal, Session
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore

ACCOUNT = "111111111111"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)


@dataclass
class Iam:
    """Everything of IAM, wired."""

    database: Database
    store: IamStore
    keys: AccessKeys
    gatherer: PolicyGatherer
    judge: ControlPlaneJudge
    operations: dict[str, Callable[..., Awaitable[Any]]]
    mfa_devices: MfaDevices
    now: datetime = NOW

    async def call(self, operation: str, *, caller: Principal = ROOT, **members: Any) -> Any:
        """Call an operation as `edge` does once everything has been checked."""
        return await self.operations[operation](msgspec.structs.replace(call_by(caller), now=self.now), **members)


def call_by(caller: Principal) -> Call:
    return Call(principal=caller, account_id=ACCOUNT, region="us-west-2", request_id="r", now=NOW)


@asynccontextmanager
async def open_iam(folder: Path) -> AsyncIterator[Iam]:
    """IAM with a database of its own in `folder`."""
    database = await open_store(folder)
    store = IamStore(database)
    entropy = CountingEntropy()
    keys = AccessKeys(store, MasterKeys.generate(entropy), database.changes)
    gatherer = PolicyGatherer(store, database.changes)
    operations: dict[str, Callable[..., Awaitable[Any]]] = {}
    mfa_store = MfaDeviceStore(database)
    devices = MfaDevices(mfa_store, MasterKeys.generate(entropy))
    owners = iam_operations(
        store,
        keys,
        mfa_store=mfa_store,
        mfa_devices=devices,
        provider_store=IamProviderStore(database),
        entropy=entropy,
    )
    for owner in owners:
        operations.update(implemented_operations(owner))
    yield Iam(database, store, keys, gatherer, ControlPlaneJudge(store, gatherer), operations, devices)
    await database.close()


def document(*statements: dict[str, object]) -> str:
    """An identity policy with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: object, resource: object = "*", condition: object = None) -> dict[str, object]:
    """One Allow."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def deny(action: object, resource: object = "*", condition: object = None) -> dict[str, object]:
    """One Deny."""
    return {**allow(action, resource, condition), "Effect": "Deny"}


def trust(principal: object, action: object = "sts:AssumeRole", condition: object = None) -> str:
    """A trust policy for `principal`."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": action, "Principal": principal}
    if condition is not None:
        statement["Condition"] = condition
    return document(statement)


LAMBDA_TRUST = trust({"Service": "lambda.amazonaws.com"})


async def make_role(iam: Iam, *statements: dict[str, object], name: str = "Caller", **members: Any) -> Principal:
    """A new role with one inline policy of these statements, and a session of it."""
    answer = await iam.call("create_role", role_name=name, assume_role_policy_document=LAMBDA_TRUST, **members)
    if statements:
        await iam.call("put_role_policy", role_name=name, policy_name="own", policy_document=document(*statements))
    return session_of(answer["role"])


def session_of(role: dict[str, Any], session: Session | None = None) -> Principal:
    """A session of the role that an answer shows."""
    return Principal(
        kind="AssumedRole",
        account_id=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['role_name']}/s",
        policy_arn=role["arn"],
        unique_id=f"{role['role_id']}:s",
        name=role["role_name"],
        session=session,
    )


async def make_user(iam: Iam, *statements: dict[str, object], name: str = "alice", **members: Any) -> Principal:
    """A new user with one inline policy of these statements, as a caller."""
    user = (await iam.call("create_user", user_name=name, **members))["user"]
    if statements:
        await iam.call("put_user_policy", user_name=name, policy_name="own", policy_document=document(*statements))
    return Principal("User", ACCOUNT, user["arn"], user["arn"], user["user_id"], name)
