"""REST APIs as their authors see them, deployments as they were frozen, stages, API keys and usage plans.

A REST API with its resources, methods, integrations, authorizers, models and request validators is ONE record (AWS
allows 300 resources per API): authoring is rare and always reads the whole. A deployment is a copy of that record which
never changes again; a stage points at one. An API key's value is kept sealed, with a keyed hash beside it by which it
is found and kept unique. The records are in `apigateway_records`, domain names in `apigateway_domains`.

Reading and changing one of these is one transaction: a method named `change_` hands the present record to a function
of the caller's and saves what comes back; if that raises, nothing happened. Rules that span records (a deployment that
a stage points at, a key that is in one plan per stage) are checked by the caller's function over what the same
transaction has read. Every change is published as topic `apigateway`.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from sqlalchemy import Column, ForeignKeyConstraint, Select, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.apigateway_domains import MAPPINGS
from velvetrope.store.tables.apigateway_key_changes import (
    CHANGES,
    KeyChanges,
    ServedKey,
    load_version,
    note_changed_keys,
)
from velvetrope.store.tables.apigateway_records import (
    AccessLogSettings,
    Account,
    ApiKey,
    ApiStage,
    Authorizer,
    BasePathMapping,
    Deployment,
    DomainName,
    GatewayResponse,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    MethodSettings,
    Model,
    Quota,
    RequestValidator,
    Resource,
    RestApi,
    Stage,
    Throttle,
    UsagePlan,
)

__all__ = [
    "API_KEY_HASH_PURPOSE",
    "AccessLogSettings",
    "Account",
    "ApiGatewayStore",
    "ApiKey",
    "ApiStage",
    "Authorizer",
    "BasePathMapping",
    "Deployment",
    "DomainName",
    "GatewayResponse",
    "GatewayState",
    "Integration",
    "IntegrationResponse",
    "Method",
    "MethodResponse",
    "MethodSettings",
    "Model",
    "Quota",
    "RequestValidator",
    "Resource",
    "RestApi",
    "Stage",
    "Throttle",
    "UsagePlan",
]

TOPIC = "apigateway"

API_KEY_HASH_PURPOSE = "apigateway api key lookup"
"""The master keys' purpose for `ApiKey.value_hash`: the control plane makes the hash, the request lane finds by it."""


class GatewayState(msgspec.Struct, frozen=True, kw_only=True):
    """What the request lane serves from, as of one commit. What the reader knew already is left out."""

    stages: tuple[Stage, ...]
    deployments: tuple[Deployment, ...]
    keys: KeyChanges
    usage_plans: tuple[UsagePlan, ...]


_apis = Table(
    "apigateway_rest_apis",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("record", Record(RestApi), nullable=False),
)
_deployments = Table(
    "apigateway_deployments",
    METADATA,
    Column("rest_api_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("record", Record(Deployment), nullable=False),
    ForeignKeyConstraint(["rest_api_id"], ["apigateway_rest_apis.id"], ondelete="CASCADE"),
)
_stages = Table(
    "apigateway_stages",
    METADATA,
    Column("rest_api_id", String(64), primary_key=True),
    Column("stage_name", String(128), primary_key=True),
    Column("deployment_id", String(64), nullable=False),
    Column("record", Record(Stage), nullable=False),
    ForeignKeyConstraint(["rest_api_id"], ["apigateway_rest_apis.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["rest_api_id", "deployment_id"], ["apigateway_deployments.rest_api_id", "apigateway_deployments.id"]
    ),
)
_keys = Table(
    "apigateway_api_keys",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("value_hash", String(80), nullable=False, unique=True),
    Column("record", Record(ApiKey), nullable=False),
)
_plans = Table(
    "apigateway_usage_plans",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("record", Record(UsagePlan), nullable=False),
)
_plan_keys = Table(
    "apigateway_usage_plan_keys",
    METADATA,
    Column("usage_plan_id", String(64), primary_key=True),
    Column("key_id", String(64), primary_key=True, index=True),
    ForeignKeyConstraint(["usage_plan_id"], ["apigateway_usage_plans.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["key_id"], ["apigateway_api_keys.id"], ondelete="CASCADE"),
)


class ApiGatewayStore:
    """The transactions of API Gateway's control plane."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # REST APIs

    async def save_new_rest_api(self, rest_api: RestApi) -> None:
        """Keep a REST API under an id that is not in use."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                insert(_apis).values(id=rest_api.id, account_id=rest_api.account_id, record=rest_api)
            )
            tx.changed(TOPIC)

    async def load_rest_api(self, account_id: str, rest_api_id: str) -> RestApi | None:
        async with self._database.read() as connection:
            found: RestApi | None = (await connection.execute(_api_query(account_id, rest_api_id))).scalar_one_or_none()
        return found

    async def load_rest_apis(self, account_id: str) -> list[RestApi]:
        """All of an account, oldest first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(_apis.c.record).where(_apis.c.account_id == account_id))).scalars()
            return sorted(rows, key=lambda api: (api.created_at, api.id))

    async def change_rest_api(
        self, account_id: str, rest_api_id: str, change: Callable[[RestApi], RestApi]
    ) -> RestApi | None:
        """Save what `change` makes of the REST API and return it; None if there is none."""
        async with self._database.transaction() as tx:
            found = (
                await tx.connection.execute(_api_query(account_id, rest_api_id).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(update(_apis).where(_apis.c.id == rest_api_id).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_rest_api(
        self, account_id: str, rest_api_id: str, check: Callable[[Collection[BasePathMapping]], None]
    ) -> bool:
        """Remove a REST API with its deployments and stages; plans forget its stages. False if there was none.

        `check` sees the base path mappings that lead to it first.
        """
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(_api_query(account_id, rest_api_id))).scalar_one_or_none()
            if found is None:
                return False
            mappings = await tx.connection.execute(
                select(MAPPINGS.c.record).where(MAPPINGS.c.rest_api_id == rest_api_id)
            )
            check(list(mappings.scalars()))
            await _forget_stages(tx.connection, account_id, rest_api_id, None)
            for table in (_stages, _deployments):
                await tx.connection.execute(delete(table).where(table.c.rest_api_id == rest_api_id))
            await tx.connection.execute(delete(_apis).where(_apis.c.id == rest_api_id))
            tx.changed(TOPIC)
            return True

    # Deployments and stages

    async def save_new_deployment(
        self,
        account_id: str,
        rest_api_id: str,
        freeze: Callable[[RestApi], Deployment],
        stage: Callable[[Deployment, Stage | None], Stage] | None = None,
    ) -> Deployment | None:
        """Freeze the REST API as it is now; with `stage`, point that stage at it in the same transaction.

        `stage` is called twice: first with None for its name, then with the stage of that name if there is one.
        None is returned if there is no such REST API.
        """
        async with self._database.transaction() as tx:
            found = (
                await tx.connection.execute(_api_query(account_id, rest_api_id).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            deployment = freeze(found)
            await tx.connection.execute(
                insert(_deployments).values(rest_api_id=rest_api_id, id=deployment.id, record=deployment)
            )
            if stage is not None:
                name = stage(deployment, None).stage_name
                present = (await tx.connection.execute(_stage_query(rest_api_id, name))).scalar_one_or_none()
                await _write_stage(tx.connection, stage(deployment, present), is_new=present is None)
            tx.changed(TOPIC)
            return deployment

    async def load_deployments(self, rest_api_id: str) -> list[Deployment]:
        """All of an API, oldest first."""
        async with self._database.read() as connection:
            rows = (
                await connection.execute(select(_deployments.c.record).where(_deployments.c.rest_api_id == rest_api_id))
            ).scalars()
            return sorted(rows, key=lambda deployment: (deployment.created_at, deployment.id))

    async def load_deployment(self, rest_api_id: str, deployment_id: str) -> Deployment | None:
        async with self._database.read() as connection:
            return await _find_deployment(connection, rest_api_id, deployment_id)

    async def change_deployment(
        self, rest_api_id: str, deployment_id: str, change: Callable[[Deployment], Deployment]
    ) -> Deployment | None:
        """Save what `change` makes of a deployment's description; the frozen API stays as it was."""
        async with self._database.transaction() as tx:
            found = await _find_deployment(tx.connection, rest_api_id, deployment_id)
            if found is None:
                return None
            changed = msgspec.structs.replace(change(found), rest_api=found.rest_api)
            await tx.connection.execute(
                update(_deployments)
                .where(_deployments.c.rest_api_id == rest_api_id, _deployments.c.id == deployment_id)
                .values(record=changed)
            )
            return changed

    async def delete_deployment(
        self, rest_api_id: str, deployment_id: str, check: Callable[[Collection[str]], None]
    ) -> bool:
        """Remove a deployment after `check` has seen the names of the stages that point at it."""
        async with self._database.transaction() as tx:
            if await _find_deployment(tx.connection, rest_api_id, deployment_id) is None:
                return False
            names = (
                await tx.connection.execute(
                    select(_stages.c.stage_name).where(
                        _stages.c.rest_api_id == rest_api_id, _stages.c.deployment_id == deployment_id
                    )
                )
            ).scalars()
            check(list(names))
            await tx.connection.execute(
                delete(_deployments).where(
                    _deployments.c.rest_api_id == rest_api_id, _deployments.c.id == deployment_id
                )
            )
            tx.changed(TOPIC)
            return True

    async def save_new_stage(self, stage: Stage) -> bool:
        """Keep a stage; False if its name is taken. The deployment must exist (the caller has looked)."""
        try:
            async with self._database.transaction() as tx:
                await _write_stage(tx.connection, stage, is_new=True)
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_stage(self, rest_api_id: str, stage_name: str) -> Stage | None:
        async with self._database.read() as connection:
            found: Stage | None = (await connection.execute(_stage_query(rest_api_id, stage_name))).scalar_one_or_none()
        return found

    async def load_stages(self, rest_api_id: str) -> list[Stage]:
        """All of an API by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_stages.c.record).where(_stages.c.rest_api_id == rest_api_id).order_by(_stages.c.stage_name)
            )
            return list(rows.scalars())

    async def change_stage(
        self, rest_api_id: str, stage_name: str, change: Callable[[Stage, Collection[str]], Stage]
    ) -> Stage | None:
        """Save what `change` makes of the stage, given the ids of the API's deployments."""
        async with self._database.transaction() as tx:
            found = (
                await tx.connection.execute(_stage_query(rest_api_id, stage_name).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            ids = (
                await tx.connection.execute(select(_deployments.c.id).where(_deployments.c.rest_api_id == rest_api_id))
            ).scalars()
            changed = change(found, frozenset(ids))
            await _write_stage(tx.connection, changed, is_new=False)
            tx.changed(TOPIC)
            return changed

    async def delete_stage(
        self, account_id: str, rest_api_id: str, stage_name: str, check: Callable[[Collection[BasePathMapping]], None]
    ) -> bool:
        """Remove a stage; plans forget it. `check` sees the mappings of its API first. False if there was none."""
        async with self._database.transaction() as tx:
            mappings = await tx.connection.execute(
                select(MAPPINGS.c.record).where(MAPPINGS.c.rest_api_id == rest_api_id)
            )
            check([mapping for mapping in mappings.scalars() if mapping.stage == stage_name])
            gone = await tx.connection.execute(
                delete(_stages).where(_stages.c.rest_api_id == rest_api_id, _stages.c.stage_name == stage_name)
            )
            if gone.rowcount == 0:
                return False
            await _forget_stages(tx.connection, account_id, rest_api_id, stage_name)
            tx.changed(TOPIC)
            return True

    # API keys

    async def save_new_api_key(self, api_key: ApiKey, hashes_of_value: Collection[str]) -> bool:
        """Keep a key; False if another has the same value (`hashes_of_value`: its hashes under former master keys)."""
        async with self._database.transaction() as tx:
            same = select(_keys.c.id).where(_keys.c.value_hash.in_([api_key.value_hash, *hashes_of_value]))
            if (await tx.connection.execute(same.limit(1))).first() is not None:
                return False
            await tx.connection.execute(
                insert(_keys).values(
                    id=api_key.id, account_id=api_key.account_id, value_hash=api_key.value_hash, record=api_key
                )
            )
            await note_changed_keys(tx.connection, [api_key.id])
            tx.changed(TOPIC)
            return True

    async def load_api_key(self, account_id: str, key_id: str) -> ApiKey | None:
        async with self._database.read() as connection:
            found: ApiKey | None = (await connection.execute(_key_query(account_id, key_id))).scalar_one_or_none()
        return found

    async def load_api_keys(self, account_id: str) -> list[ApiKey]:
        """All of an account, oldest first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(_keys.c.record).where(_keys.c.account_id == account_id))).scalars()
            return sorted(rows, key=lambda key: (key.created_at, key.id))

    async def change_api_key(self, account_id: str, key_id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        """Save what `change` makes of the key; its value cannot change."""
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(_key_query(account_id, key_id).with_for_update())).scalar_one_or_none()
            if found is None:
                return None
            changed = msgspec.structs.replace(
                change(found), value_hash=found.value_hash, value_sealed=found.value_sealed
            )
            await tx.connection.execute(update(_keys).where(_keys.c.id == key_id).values(record=changed))
            await note_changed_keys(tx.connection, [key_id])
            tx.changed(TOPIC)
            return changed

    async def delete_api_key(self, account_id: str, key_id: str) -> bool:
        """Remove a key, from its plans too; False if there was none."""
        async with self._database.transaction() as tx:
            if (await tx.connection.execute(_key_query(account_id, key_id))).scalar_one_or_none() is None:
                return False
            await tx.connection.execute(delete(_plan_keys).where(_plan_keys.c.key_id == key_id))
            await tx.connection.execute(delete(_keys).where(_keys.c.id == key_id))
            await note_changed_keys(tx.connection, [key_id])
            tx.changed(TOPIC)
            return True

    # Usage plans and their keys

    async def save_new_usage_plan(self, plan: UsagePlan) -> None:
        """Keep a plan under an id that is not in use."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(insert(_plans).values(id=plan.id, account_id=plan.account_id, record=plan))
            tx.changed(TOPIC)

    async def load_usage_plan(self, account_id: str, plan_id: str) -> UsagePlan | None:
        async with self._database.read() as connection:
            found: UsagePlan | None = (await connection.execute(_plan_query(account_id, plan_id))).scalar_one_or_none()
        return found

    async def load_usage_plans(self, account_id: str) -> list[UsagePlan]:
        """All of an account by id."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_plans.c.record).where(_plans.c.account_id == account_id).order_by(_plans.c.id)
            )
            return list(rows.scalars())

    async def change_usage_plan(
        self, account_id: str, plan_id: str, change: Callable[[UsagePlan, Collection[UsagePlan]], UsagePlan]
    ) -> UsagePlan | None:
        """Save what `change` makes of the plan, given the other plans that share a key with it."""
        async with self._database.transaction() as tx:
            found = (
                await tx.connection.execute(_plan_query(account_id, plan_id).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            own_keys = select(_plan_keys.c.key_id).where(_plan_keys.c.usage_plan_id == plan_id)
            beside = (
                await tx.connection.execute(
                    select(_plans.c.record)
                    .join(_plan_keys, _plan_keys.c.usage_plan_id == _plans.c.id)
                    .where(_plan_keys.c.key_id.in_(own_keys), _plans.c.id != plan_id)
                )
            ).scalars()
            changed = change(found, list(beside))
            await tx.connection.execute(update(_plans).where(_plans.c.id == plan_id).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_usage_plan(self, account_id: str, plan_id: str, check: Callable[[UsagePlan], None]) -> bool:
        """Remove a plan after `check` has seen it; its keys stay. False if there was none."""
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(_plan_query(account_id, plan_id))).scalar_one_or_none()
            if found is None:
                return False
            check(found)
            await tx.connection.execute(delete(_plan_keys).where(_plan_keys.c.usage_plan_id == plan_id))
            await tx.connection.execute(delete(_plans).where(_plans.c.id == plan_id))
            tx.changed(TOPIC)
            return True

    async def save_new_usage_plan_key(
        self,
        account_id: str,
        plan_id: str,
        key_id: str,
        check: Callable[[UsagePlan | None, ApiKey | None, Collection[UsagePlan]], None],
    ) -> None:
        """Put a key in a plan after `check` has seen the plan, the key, and the plans that the key is in already."""
        async with self._database.transaction() as tx:
            plan = (await tx.connection.execute(_plan_query(account_id, plan_id))).scalar_one_or_none()
            key = (await tx.connection.execute(_key_query(account_id, key_id).with_for_update())).scalar_one_or_none()
            present = (
                await tx.connection.execute(
                    select(_plans.c.record)
                    .join(_plan_keys, _plan_keys.c.usage_plan_id == _plans.c.id)
                    .where(_plan_keys.c.key_id == key_id)
                )
            ).scalars()
            check(plan, key, list(present))
            await tx.connection.execute(insert(_plan_keys).values(usage_plan_id=plan_id, key_id=key_id))
            await note_changed_keys(tx.connection, [key_id])
            tx.changed(TOPIC)

    async def load_usage_plan_keys(self, plan_id: str) -> list[ApiKey]:
        """The keys of a plan, oldest first."""
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(_keys.c.record)
                    .join(_plan_keys, _plan_keys.c.key_id == _keys.c.id)
                    .where(_plan_keys.c.usage_plan_id == plan_id)
                )
            ).scalars()
            return sorted(rows, key=lambda key: (key.created_at, key.id))

    async def load_plan_ids_of_key(self, key_id: str) -> frozenset[str]:
        """The ids of the plans that a key is in."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(_plan_keys.c.usage_plan_id).where(_plan_keys.c.key_id == key_id))
            return frozenset(rows.scalars())

    async def delete_usage_plan_key(self, plan_id: str, key_id: str) -> bool:
        """Take a key out of a plan; False if it was not in it."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(_plan_keys).where(_plan_keys.c.usage_plan_id == plan_id, _plan_keys.c.key_id == key_id)
            )
            await note_changed_keys(tx.connection, [key_id])
            tx.changed(TOPIC)
            return gone.rowcount > 0

    # The request lane

    async def load_state(
        self, known_deployments: Collection[tuple[str, str]], *, keys_since: int | None = None
    ) -> GatewayState:
        """Everything that is served, at one commit.

        Deployments whose (API id, id) is known are not read again, nor are API keys that are as they were at version
        `keys_since` (None: all are read).
        """
        async with self._database.read() as connection:
            stages: list[Stage] = list((await connection.execute(select(_stages.c.record))).scalars())
            served = {(stage.rest_api_id, stage.deployment_id) for stage in stages} - set(known_deployments)
            deployments = [
                found for key in sorted(served) if (found := await _find_deployment(connection, *key)) is not None
            ]
            plans = list((await connection.execute(select(_plans.c.record))).scalars())
            return GatewayState(
                stages=tuple(stages),
                deployments=tuple(deployments),
                keys=await _load_keys(connection, keys_since),
                usage_plans=tuple(plans),
            )


def _api_query(account_id: str, rest_api_id: str) -> Select[Any]:
    return select(_apis.c.record).where(_apis.c.id == rest_api_id, _apis.c.account_id == account_id)


def _stage_query(rest_api_id: str, stage_name: str) -> Select[Any]:
    return select(_stages.c.record).where(_stages.c.rest_api_id == rest_api_id, _stages.c.stage_name == stage_name)


def _key_query(account_id: str, key_id: str) -> Select[Any]:
    return select(_keys.c.record).where(_keys.c.id == key_id, _keys.c.account_id == account_id)


def _plan_query(account_id: str, plan_id: str) -> Select[Any]:
    return select(_plans.c.record).where(_plans.c.id == plan_id, _plans.c.account_id == account_id)


async def _find_deployment(connection: Connection, rest_api_id: str, deployment_id: str) -> Deployment | None:
    found: Deployment | None = (
        await connection.execute(
            select(_deployments.c.record).where(
                _deployments.c.rest_api_id == rest_api_id, _deployments.c.id == deployment_id
            )
        )
    ).scalar_one_or_none()
    return found


async def _load_keys(connection: Connection, since: int | None) -> KeyChanges:
    version = await load_version(connection)
    # A version that is yet to come is another database's, as after a backup was put back.
    is_everything = since is None or since > version
    keys = select(_keys.c.record)
    # Without an order: one by plan would have the whole table read along its index.
    pairs = select(_plan_keys.c.key_id, _plan_keys.c.usage_plan_id)
    removed: frozenset[str] = frozenset()
    if not is_everything:
        newer = CHANGES.c.version > since
        keys = keys.join(CHANGES, CHANGES.c.key_id == _keys.c.id).where(newer)
        pairs = pairs.join(CHANGES, CHANGES.c.key_id == _plan_keys.c.key_id).where(newer)
        gone = (
            select(CHANGES.c.key_id).outerjoin(_keys, _keys.c.id == CHANGES.c.key_id).where(newer, _keys.c.id.is_(None))
        )
        removed = frozenset((await connection.execute(gone)).scalars())
    plans_of_key: dict[str, tuple[str, ...]] = {}
    for key_id, plan_id in await connection.execute(pairs):
        plans_of_key[key_id] = (*plans_of_key.get(key_id, ()), plan_id)
    changed = tuple(
        ServedKey(key.id, key.value_hash, key.enabled, tuple(sorted(plans_of_key.get(key.id, ()))))
        for key in (await connection.execute(keys)).scalars()
    )
    return KeyChanges(version=version, is_everything=is_everything, changed=changed, removed=removed)


async def _write_stage(connection: Connection, stage: Stage, *, is_new: bool) -> None:
    if is_new:
        await connection.execute(
            insert(_stages).values(
                rest_api_id=stage.rest_api_id,
                stage_name=stage.stage_name,
                deployment_id=stage.deployment_id,
                record=stage,
            )
        )
        return
    await connection.execute(
        update(_stages)
        .where(_stages.c.rest_api_id == stage.rest_api_id, _stages.c.stage_name == stage.stage_name)
        .values(deployment_id=stage.deployment_id, record=stage)
    )


async def _forget_stages(connection: Connection, account_id: str, rest_api_id: str, stage_name: str | None) -> None:
    # Plans lose the stage (all stages of the API for None), as on AWS when a stage is deleted and made anew.
    plans = (await connection.execute(select(_plans.c.record).where(_plans.c.account_id == account_id))).scalars()
    for plan in list(plans):
        left = tuple(
            stage
            for stage in plan.api_stages
            if not (stage.api_id == rest_api_id and stage_name in {None, stage.stage})
        )
        if len(left) != len(plan.api_stages):
            changed = msgspec.structs.replace(plan, api_stages=left)
            await connection.execute(update(_plans).where(_plans.c.id == plan.id).values(record=changed))
