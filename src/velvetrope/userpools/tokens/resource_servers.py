"""Resource servers: APIs of the pool's owner, and the scopes that app clients may be given for them.

A scope is `identifier/scope_name`. A client may list a scope only if there is a resource server that has it
(`client_operations`); a scope that is taken away later is left out of tokens for as long as it is away.

Source: Cognito Developer Guide, "Scopes, M2M, and resource servers"; quotas: 25 servers in a pool.
"""

import msgspec

from velvetrope.oauth import SYSTEM_SCOPES
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, ResourceServer, ResourceServerScope
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
    ScopeDoesNotExistException,
)
from velvetrope.userpools.pages import load_page

__all__ = ["ResourceServerOperations", "ScopeDirectory"]

_SERVERS_PER_POOL = 25  # user-pools reference section 9
_PAGE = 50


class ScopeDirectory:
    """Knows which scopes a pool has."""

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store

    async def check_scopes(self, pool: UserPool, scopes: tuple[str, ...]) -> None:
        """See that the pool has all of `scopes`: its own, or those of a resource server.

        Raises:
            ScopeDoesNotExistException: it has not.
        """
        for scope in scopes:
            if scope not in SYSTEM_SCOPES and not await self._is_custom(pool, scope):
                raise ScopeDoesNotExistException(f"Invalid scope requested: {scope}")

    async def inactive(self, pool: UserPool, scopes: tuple[str, ...]) -> frozenset[str]:
        """Those of `scopes` that the pool does not have any more."""
        custom = {scope for scope in scopes if scope not in SYSTEM_SCOPES}
        if not custom:
            return frozenset()
        servers = await self._store.resource_servers.load_page(pool.id, after="", limit=_SERVERS_PER_POOL)
        return frozenset(
            custom.difference(f"{server.identifier}/{one.scope_name}" for server in servers for one in server.scopes)
        )

    async def _is_custom(self, pool: UserPool, scope: str) -> bool:
        # Identifiers are often URLs: the name is what stands behind the last slash.
        identifier, slash, name = scope.rpartition("/")
        server = await self._store.resource_servers.load(pool.id, identifier) if slash else None
        return server is not None and any(one.scope_name == name for one in server.scopes)


class ResourceServerOperations:
    """CreateResourceServer and its siblings."""

    def __init__(self, store: ConfigurationStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def create_resource_server(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        identifier: str,
        name: str,
        scopes: tuple[ResourceServerScope, ...] = (),
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        _check_scopes(scopes)
        server = ResourceServer(user_pool_id=user_pool_id, identifier=identifier, name=name, scopes=scopes)
        match await self._store.save_new_resource_server(server, limit=_SERVERS_PER_POOL):
            case "exists":
                raise InvalidParameterException(f"{identifier} already exists in user pool {user_pool_id}.")
            case "too_many":
                raise LimitExceededException(f"A user pool has at most {_SERVERS_PER_POOL} resource servers.")
            case "saved":
                return {"resource_server": _described(server)}

    @operation
    async def describe_resource_server(self, call: Call, *, user_pool_id: str, identifier: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        server = await self._store.resource_servers.load(user_pool_id, identifier)
        if server is None:
            raise _missing(identifier)
        return {"resource_server": _described(server)}

    @operation
    async def update_resource_server(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        identifier: str,
        name: str,
        scopes: tuple[ResourceServerScope, ...] = (),
    ) -> Answer:
        """What is left out is taken away, as on AWS."""
        await self._directory.pool(user_pool_id)
        _check_scopes(scopes)
        changed = await self._store.change_resource_server(
            user_pool_id, identifier, lambda server: msgspec.structs.replace(server, name=name, scopes=scopes)
        )
        if changed is None:
            raise _missing(identifier)
        return {"resource_server": _described(changed)}

    @operation
    async def delete_resource_server(self, call: Call, *, user_pool_id: str, identifier: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.delete_resource_server(user_pool_id, identifier):
            raise _missing(identifier)
        return None

    @operation
    async def list_resource_servers(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        max_results: int = _PAGE,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        servers, going_on = await load_page(
            lambda after: self._store.resource_servers.load_page(user_pool_id, after=after, limit=max_results),
            lambda server: server.identifier,
            token=next_token,
            limit=max_results,
        )
        return {
            "resource_servers": [_described(server) for server in servers],
            "next_token": going_on,
        }


def _check_scopes(scopes: tuple[ResourceServerScope, ...]) -> None:
    names = [scope.scope_name for scope in scopes]
    if len(set(names)) != len(names):
        raise InvalidParameterException("The scope names of a resource server must differ.")  # text UNVERIFIED


def _missing(identifier: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"{identifier} resource server does not exist.")  # text UNVERIFIED


def _described(server: ResourceServer) -> dict[str, object]:
    """ResourceServerType."""
    return {
        "user_pool_id": server.user_pool_id,
        "identifier": server.identifier,
        "name": server.name,
        "scopes": list(server.scopes),
    }
