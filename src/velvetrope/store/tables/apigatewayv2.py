"""HTTP APIs as their authors see them, deployments as they were frozen, and stages.

An HTTP API with its routes, integrations and authorizers is ONE record: authoring is rare and always reads the whole. A
deployment is a copy of that record which never changes again; a stage points at one, or at none yet.

A stage with `auto_deploy` follows its API: every change of the API freezes a new deployment in the same transaction and
points such stages at it, so that no request ever meets half a change. The deployment that it replaces is removed unless
somebody made it by hand or another stage points at it; AWS lists them for longer.

Reading and changing one of these is one transaction: a method named `change_` hands the present record to a function
of the caller's and saves what comes back; if that raises, nothing happened. Every change is published as topic
`apigatewayv2`.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, ForeignKeyConstraint, Select, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.apigateway_domains import HTTP_MAPPINGS
from velvetrope.store.tables.apigateway_records import BasePathMapping

__all__ = [
    "AccessLogSettings",
    "Cors",
    "HttpApi",
    "HttpApiState",
    "HttpApiStore",
    "HttpAuthorizer",
    "HttpDeployment",
    "HttpIntegration",
    "HttpRoute",
    "HttpStage",
    "RouteSettings",
]

TOPIC = "apigatewayv2"


class HttpRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route. `route_key` is `$default` or `VERB /path`; `target` is `integrations/{id}`."""

    id: str
    route_key: str
    authorization_type: str = "NONE"
    authorization_scopes: tuple[str, ...] = ()
    authorizer_id: str | None = None
    operation_name: str | None = None
    target: str | None = None
    api_gateway_managed: bool = False


class HttpIntegration(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind routes: a function (`AWS_PROXY`) or an HTTP endpoint (`HTTP_PROXY`).

    `request_parameters` and `response_parameters` (by status) are parameter mappings, `overwrite:header.name` and the
    like.
    """

    id: str
    type: str
    uri: str
    method: str | None = None
    payload_format_version: str = "1.0"
    description: str | None = None
    request_parameters: dict[str, str] = {}
    response_parameters: dict[str, dict[str, str]] = {}
    timeout_in_millis: int = 30_000
    server_name_to_verify: str | None = None
    api_gateway_managed: bool = False


class HttpAuthorizer(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides: an issuer's keys (`JWT`, with `issuer` and `audience`) or a function (`REQUEST`, with `uri`)."""

    id: str
    name: str
    type: str
    identity_source: tuple[str, ...] = ()
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    uri: str | None = None
    payload_format_version: str | None = None
    result_ttl_in_seconds: int = 0
    enable_simple_responses: bool = False


class Cors(msgspec.Struct, frozen=True, kw_only=True):
    """What browsers on other origins may do. None means that the author did not say."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age: int | None = None


class HttpApi(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP API under work, or (inside an `HttpDeployment`) as it was deployed. The maps are by id."""

    id: str
    account_id: str
    name: str
    created_at: datetime
    description: str | None = None
    version: str | None = None
    cors: Cors | None = None
    disable_execute_api_endpoint: bool = False
    tags: dict[str, str] = {}
    routes: dict[str, HttpRoute] = {}
    integrations: dict[str, HttpIntegration] = {}
    authorizers: dict[str, HttpAuthorizer] = {}


class HttpDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP API as it was at one moment."""

    id: str
    api_id: str
    created_at: datetime
    api: HttpApi
    description: str | None = None
    auto_deployed: bool = False


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Throttling of one route of a stage, for all its callers together."""

    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None


class AccessLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a line about each request goes, and its form."""

    destination_arn: str
    format: str


class HttpStage(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which a deployment is served; `$default` is served at the API's root."""

    api_id: str
    stage_name: str
    created_at: datetime
    modified_at: datetime
    deployment_id: str | None = None
    auto_deploy: bool = False
    description: str | None = None
    variables: dict[str, str] = {}
    tags: dict[str, str] = {}
    default_route_settings: RouteSettings | None = None
    route_settings: dict[str, RouteSettings] = {}
    access_log: AccessLogSettings | None = None
    last_deployment_message: str | None = None
    api_gateway_managed: bool = False


class HttpApiState(msgspec.Struct, frozen=True, kw_only=True):
    """What the request lane serves from, as of one commit. Deployments that the reader knew already are left out."""

    api_ids: frozenset[str]
    closed_api_ids: frozenset[str]
    """APIs whose own address is disabled."""
    stages: tuple[HttpStage, ...]
    deployments: tuple[HttpDeployment, ...]


_apis = Table(
    "apigatewayv2_apis",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("record", Record(HttpApi), nullable=False),
)
_deployments = Table(
    "apigatewayv2_deployments",
    METADATA,
    Column("api_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("record", Record(HttpDeployment), nullable=False),
    ForeignKeyConstraint(["api_id"], ["apigatewayv2_apis.id"], ondelete="CASCADE"),
)
_stages = Table(
    "apigatewayv2_stages",
    METADATA,
    Column("api_id", String(64), primary_key=True),
    Column("stage_name", String(128), primary_key=True),
    Column("deployment_id", String(64), nullable=True),
    Column("record", Record(HttpStage), nullable=False),
    ForeignKeyConstraint(["api_id"], ["apigatewayv2_apis.id"], ondelete="CASCADE"),
)

Freeze = Callable[[HttpApi], HttpDeployment]
"""Makes a deployment of an API as it is now."""


class HttpApiStore:
    """The transactions of the control plane of HTTP APIs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # APIs

    async def save_new_api(self, api: HttpApi, stage: HttpStage | None, freeze: Freeze) -> None:
        """Keep an API under an id that is not in use; with `stage`, deployed there at once."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(insert(_apis).values(id=api.id, account_id=api.account_id, record=api))
            if stage is not None:
                await _write_stage(tx.connection, stage, is_new=True)
                await _deploy_automatically(tx.connection, api, freeze)
            tx.changed(TOPIC)

    async def load_api(self, account_id: str, api_id: str) -> HttpApi | None:
        async with self._database.read() as connection:
            found: HttpApi | None = (await connection.execute(_api_query(account_id, api_id))).scalar_one_or_none()
        return found

    async def load_apis(self, account_id: str) -> list[HttpApi]:
        """All of an account, oldest first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(_apis.c.record).where(_apis.c.account_id == account_id))).scalars()
            return sorted(rows, key=lambda api: (api.created_at, api.id))

    async def change_api(
        self, account_id: str, api_id: str, change: Callable[[HttpApi], HttpApi], freeze: Freeze
    ) -> HttpApi | None:
        """Save what `change` makes of the API, deploy it where stages follow, and return it; None if there is none."""
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(_api_query(account_id, api_id).with_for_update())).scalar_one_or_none()
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(update(_apis).where(_apis.c.id == api_id).values(record=changed))
            await _deploy_automatically(tx.connection, changed, freeze)
            tx.changed(TOPIC)
            return changed

    async def delete_api(
        self, account_id: str, api_id: str, check: Callable[[Collection[BasePathMapping]], None]
    ) -> bool:
        """Remove an API with its deployments and stages. `check` sees its mappings first. False if there was none."""
        async with self._database.transaction() as tx:
            if (await tx.connection.execute(_api_query(account_id, api_id))).scalar_one_or_none() is None:
                return False
            check(await _mappings_to(tx.connection, api_id))
            for table in (_stages, _deployments):
                await tx.connection.execute(delete(table).where(table.c.api_id == api_id))
            await tx.connection.execute(delete(_apis).where(_apis.c.id == api_id))
            tx.changed(TOPIC)
            return True

    # Deployments

    async def save_new_deployment(
        self,
        account_id: str,
        api_id: str,
        freeze: Freeze,
        point: tuple[str, Callable[[HttpStage | None, HttpDeployment], HttpStage]] | None = None,
    ) -> HttpDeployment | None:
        """Freeze the API as it is now; with `point`, (stage name, what becomes of that stage), in one transaction.

        None if there is no such API.
        """
        async with self._database.transaction() as tx:
            api = (await tx.connection.execute(_api_query(account_id, api_id).with_for_update())).scalar_one_or_none()
            if api is None:
                return None
            deployment = freeze(api)
            await _write_deployment(tx.connection, deployment)
            if point is not None:
                name, pointed = point
                present = (await tx.connection.execute(_stage_query(api_id, name))).scalar_one_or_none()
                await _write_stage(tx.connection, pointed(present, deployment), is_new=False)
            tx.changed(TOPIC)
            return deployment

    async def load_deployments(self, api_id: str) -> list[HttpDeployment]:
        """All of an API, newest first."""
        async with self._database.read() as connection:
            rows = (
                await connection.execute(select(_deployments.c.record).where(_deployments.c.api_id == api_id))
            ).scalars()
            return sorted(rows, key=lambda one: (one.created_at, one.id), reverse=True)

    async def load_deployment(self, api_id: str, deployment_id: str) -> HttpDeployment | None:
        async with self._database.read() as connection:
            return await _find_deployment(connection, api_id, deployment_id)

    async def change_deployment(self, api_id: str, deployment_id: str, description: str) -> HttpDeployment | None:
        """Describe a deployment anew; the frozen API stays as it was."""
        async with self._database.transaction() as tx:
            found = await _find_deployment(tx.connection, api_id, deployment_id)
            if found is None:
                return None
            changed = msgspec.structs.replace(found, description=description)
            await tx.connection.execute(
                update(_deployments)
                .where(_deployments.c.api_id == api_id, _deployments.c.id == deployment_id)
                .values(record=changed)
            )
            return changed

    async def delete_deployment(
        self, api_id: str, deployment_id: str, check: Callable[[Collection[str]], None]
    ) -> bool:
        """Remove a deployment after `check` has seen the names of the stages that point at it."""
        async with self._database.transaction() as tx:
            if await _find_deployment(tx.connection, api_id, deployment_id) is None:
                return False
            names = await tx.connection.execute(
                select(_stages.c.stage_name).where(_stages.c.api_id == api_id, _stages.c.deployment_id == deployment_id)
            )
            check(list(names.scalars()))
            await tx.connection.execute(
                delete(_deployments).where(_deployments.c.api_id == api_id, _deployments.c.id == deployment_id)
            )
            tx.changed(TOPIC)
            return True

    # Stages

    async def save_new_stage(self, account_id: str, stage: HttpStage, freeze: Freeze) -> bool:
        """Keep a stage, deployed at once if it follows its API; False if its name is taken."""
        try:
            async with self._database.transaction() as tx:
                api = (await tx.connection.execute(_api_query(account_id, stage.api_id).with_for_update())).scalar_one()
                await _write_stage(tx.connection, stage, is_new=True)
                await _deploy_automatically(tx.connection, api, freeze, only=stage.stage_name)
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_stage(self, api_id: str, stage_name: str) -> HttpStage | None:
        async with self._database.read() as connection:
            found: HttpStage | None = (await connection.execute(_stage_query(api_id, stage_name))).scalar_one_or_none()
        return found

    async def load_stages(self, api_id: str) -> list[HttpStage]:
        """All of an API by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_stages.c.record).where(_stages.c.api_id == api_id).order_by(_stages.c.stage_name)
            )
            return list(rows.scalars())

    async def change_stage(
        self,
        account_id: str,
        api_id: str,
        stage_name: str,
        change: Callable[[HttpStage, Collection[str]], HttpStage],
        freeze: Freeze,
    ) -> HttpStage | None:
        """Save what `change` makes of the stage, given the ids of the API's deployments; deployed if it now follows."""
        async with self._database.transaction() as tx:
            api = (await tx.connection.execute(_api_query(account_id, api_id).with_for_update())).scalar_one()
            found = (
                await tx.connection.execute(_stage_query(api_id, stage_name).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            ids = await tx.connection.execute(select(_deployments.c.id).where(_deployments.c.api_id == api_id))
            changed = change(found, frozenset(ids.scalars()))
            await _write_stage(tx.connection, changed, is_new=False)
            if changed.auto_deploy and not found.auto_deploy:
                await _deploy_automatically(tx.connection, api, freeze, only=stage_name)
                changed = (await tx.connection.execute(_stage_query(api_id, stage_name))).scalar_one()
            tx.changed(TOPIC)
            return changed

    async def delete_stage(
        self, api_id: str, stage_name: str, check: Callable[[Collection[BasePathMapping]], None]
    ) -> bool:
        """Remove a stage. `check` sees the mappings that lead to it first. False if there was none."""
        async with self._database.transaction() as tx:
            check([one for one in await _mappings_to(tx.connection, api_id) if one.stage == stage_name])
            gone = await tx.connection.execute(
                delete(_stages).where(_stages.c.api_id == api_id, _stages.c.stage_name == stage_name)
            )
            if gone.rowcount == 0:
                return False
            tx.changed(TOPIC)
            return True

    # The request lane

    async def load_state(self, known: Collection[tuple[str, str]]) -> HttpApiState:
        """Everything that is served, as of one commit, without the deployments (API id, id) in `known`."""
        async with self._database.read() as connection:
            apis = (await connection.execute(select(_apis.c.record))).scalars().all()
            stages = list((await connection.execute(select(_stages.c.record))).scalars())
            wanted = {(one.api_id, one.deployment_id) for one in stages if one.deployment_id is not None} - set(known)
            deployments = [
                found
                for api_id, deployment_id in sorted(wanted)
                if (found := await _find_deployment(connection, api_id, deployment_id)) is not None
            ]
            return HttpApiState(
                api_ids=frozenset(api.id for api in apis),
                closed_api_ids=frozenset(api.id for api in apis if api.disable_execute_api_endpoint),
                stages=tuple(stages),
                deployments=tuple(deployments),
            )


async def _mappings_to(connection: Connection, api_id: str) -> list[BasePathMapping]:
    rows = await connection.execute(select(HTTP_MAPPINGS.c.record).where(HTTP_MAPPINGS.c.api_id == api_id))
    return list(rows.scalars())


async def _deploy_automatically(
    connection: Connection, api: HttpApi, freeze: Freeze, *, only: str | None = None
) -> None:
    """Point the stages that follow `api` (or the one named `only`, if it does) at a new deployment of it."""
    listed = (await connection.execute(select(_stages.c.record).where(_stages.c.api_id == api.id))).scalars().all()
    following = [stage for stage in listed if stage.auto_deploy and only in {None, stage.stage_name}]
    if not following:
        return
    deployment = freeze(api)
    await _write_deployment(connection, deployment)
    for stage in following:
        pointed = msgspec.structs.replace(
            stage,
            deployment_id=deployment.id,
            modified_at=deployment.created_at,
            last_deployment_message=f"Successfully deployed stage with deployment ID '{deployment.id}'",
        )
        await _write_stage(connection, pointed, is_new=False)
    still = {stage.deployment_id for stage in listed if stage not in following}
    for replaced in {stage.deployment_id for stage in following} - still - {None}:
        old = await _find_deployment(connection, api.id, str(replaced))
        if old is not None and old.auto_deployed:
            await connection.execute(
                delete(_deployments).where(_deployments.c.api_id == api.id, _deployments.c.id == replaced)
            )


async def _write_deployment(connection: Connection, deployment: HttpDeployment) -> None:
    await connection.execute(insert(_deployments).values(api_id=deployment.api_id, id=deployment.id, record=deployment))


async def _find_deployment(connection: Connection, api_id: str, deployment_id: str) -> HttpDeployment | None:
    query = select(_deployments.c.record).where(_deployments.c.api_id == api_id, _deployments.c.id == deployment_id)
    found: HttpDeployment | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def _write_stage(connection: Connection, stage: HttpStage, *, is_new: bool) -> None:
    values = {"deployment_id": stage.deployment_id, "record": stage}
    if is_new:
        await connection.execute(insert(_stages).values(api_id=stage.api_id, stage_name=stage.stage_name, **values))
    else:
        await connection.execute(
            update(_stages)
            .where(_stages.c.api_id == stage.api_id, _stages.c.stage_name == stage.stage_name)
            .values(**values)
        )


def _api_query(account_id: str, api_id: str) -> Select[Any]:
    return select(_apis.c.record).where(_apis.c.id == api_id, _apis.c.account_id == account_id)


def _stage_query(api_id: str, stage_name: str) -> Select[Any]:
    return select(_stages.c.record).where(_stages.c.api_id == api_id, _stages.c.stage_name == stage_name)
