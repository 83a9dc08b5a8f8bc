"""Import an app file and find what it declares.

The file is imported under its own name with its folder on the path, as Lambda does it, so that what works here works
there. What counts are the builder objects bound at the top level of the module; the variable that holds the `Api` is
the second half of the function's handler.
"""

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import velvetrope.builder
from velvetrope.builder import Api, Authorizer, Database, Function, IdentityPool, Queue, UserPool
from velvetrope.builder.services import Usable
from velvetrope.routes import RouteConflict, RouteTree
from velvetrope.synth.errors import AppFileError, check_app_file
from velvetrope.synth.names import logical_id

__all__ = ["AppDeclaration", "load_app"]


@dataclass(frozen=True)
class AppDeclaration:
    """Everything one app file declares. `handler` is Lambda's handler string, such as `app.api`.

    `authorizers` are keyed by the variable that holds each; its handler is `{module}.{variable}`.
    `functions` are those of their own, by their handler strings.
    """

    api: Api
    handler: str
    user_pools: tuple[UserPool, ...]
    identity_pools: tuple[IdentityPool, ...]
    authorizers: dict[str, Authorizer]
    functions: Mapping[str, Function]
    queues: tuple[Queue, ...]


def load_app(path: Path) -> AppDeclaration:
    """Import `path` and collect its declarations.

    Raises:
        AppFileError: there is no such file, its name is no module name, importing it fails (with the traceback of the
            file's own lines), or it declares no `Api` or more than one.
    """
    check_app_file(path)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        module = importlib.import_module(path.stem)
    except BaseException as err:  # the app's own code may raise anything, SystemExit included
        raise AppFileError(f"{path.name} cannot be imported:\n{_own_lines(err)}") from err
    if Path(module.__file__ or "").resolve() != path.resolve():
        raise AppFileError(f"{path.name} has the name of an installed module ({module.__name__}); choose another name.")

    bound = vars(module)
    apis = [(name, value) for name, value in bound.items() if isinstance(value, Api)]
    if not apis:
        raise AppFileError(f"{path.name} declares no Api.")
    if len({id(api) for _, api in apis}) > 1:
        raise AppFileError(
            f"{path.name} declares several Apis ({', '.join(name for name, _ in apis)}); one is supported."
        )
    name, api = apis[0]
    if not api.routes:
        raise AppFileError(f"{path.name}: the Api {api.name!r} has no routes.")
    user_pools = tuple(dict.fromkeys(value for value in bound.values() if isinstance(value, UserPool)))
    identity_pools = tuple(dict.fromkeys(value for value in bound.values() if isinstance(value, IdentityPool)))
    held: dict[int, str] = {}
    for variable, value in bound.items():
        if isinstance(value, Authorizer):
            held.setdefault(id(value), variable)
    authorizers = {variable: bound[variable] for variable in held.values()}
    _check_routes(path, api)
    _check_connected(path, api, user_pools, identity_pools)
    _check_guards(path, api, user_pools, authorizers)
    functions = {value: f"{path.stem}.{bound_as}" for bound_as, value in bound.items() if isinstance(value, Function)}
    queues = tuple(dict.fromkeys(value for value in bound.values() if isinstance(value, Queue)))
    _check_services(path, api, tuple(functions), queues)
    _check_names(path, api, user_pools, identity_pools, [*(f.name for f in functions), *authorizers], queues)
    return AppDeclaration(
        api=api,
        handler=f"{path.stem}.{name}",
        user_pools=user_pools,
        identity_pools=identity_pools,
        authorizers=authorizers,
        functions={handler: function for function, handler in functions.items()},
        queues=queues,
    )


def _check_routes(path: Path, api: Api) -> None:
    """API Gateway takes one variable at one place."""
    try:
        RouteTree([(route.path, route.method, route) for route in api.routes])
    except RouteConflict as conflict:
        raise AppFileError(f"{path.name}: {conflict.message}") from None


def _check_connected(
    path: Path, api: Api, user_pools: tuple[UserPool, ...], identity_pools: tuple[IdentityPool, ...]
) -> None:
    """What is named must be bound at the top level too, or it would silently be left out of the template."""
    for route in api.routes:
        for role in route.allow:
            if role.identity_pool not in identity_pools:
                raise AppFileError(
                    f"{path.name}: {route.method} {route.path} allows a role of the identity pool "
                    f"{role.identity_pool.name!r}, which no variable of the module holds."
                )
    for pool in identity_pools:
        for client in pool.clients:
            if client.user_pool not in user_pools:
                raise AppFileError(
                    f"{path.name}: the identity pool {pool.name!r} trusts a client of the user pool "
                    f"{client.user_pool.name!r}, which no variable of the module holds."
                )


def _check_guards(path: Path, api: Api, user_pools: tuple[UserPool, ...], authorizers: dict[str, Authorizer]) -> None:
    """As above, for what a route's callers are checked by."""
    for route in api.routes:
        if route.user_pool is not None and route.user_pool not in user_pools:
            raise AppFileError(
                f"{path.name}: {route.method} {route.path} asks the user pool {route.user_pool.name!r}, "
                "which no variable of the module holds."
            )
        if route.authorizer is not None and not any(one is route.authorizer for one in authorizers.values()):
            raise AppFileError(
                f"{path.name}: {route.method} {route.path} asks an authorizer that no variable of the module holds."
            )


def _check_services(path: Path, api: Api, functions: tuple[Function, ...], queues: tuple[Queue, ...]) -> None:
    """The same for functions and queues. No function has two databases."""
    for function in functions:
        if function.handled_by is None:
            raise AppFileError(f"{path.name}: the function {function.name!r} has no handler.")
    used_by = [(f"the Api {api.name!r}", api.uses), *((f"the function {f.name!r}", f.uses) for f in functions)]
    for who, uses in used_by:
        for used in uses:
            _check_held(path, f"{who} uses", used, functions, queues)
        if sum(isinstance(used, Database) for used in uses) > 1:
            raise AppFileError(f"{path.name}: {who} uses several databases; one is supported.")
    for function in functions:
        for trigger in function.triggers:
            _check_held(path, f"the function {function.name!r} is triggered by", trigger.queue, functions, queues)
    for queue in queues:
        if queue.dead_letter is not None:
            _check_held(
                path, f"the queue {queue.name!r} has for its dead letters", queue.dead_letter, functions, queues
            )


def _check_names(
    path: Path,
    api: Api,
    user_pools: tuple[UserPool, ...],
    identity_pools: tuple[IdentityPool, ...],
    functions: Sequence[str],
    queues: tuple[Queue, ...],
) -> None:
    """No two of a kind have one name, or one of them would silently be left out of the template."""
    clients = [f"{pool.name}-{client.name}" for pool in user_pools for client in pool.clients]
    machines = [f"{pool.name}-{machine.name}" for pool in user_pools for machine in pool.machines]
    for kind, names in (
        ("functions", [api.name, *functions]),
        ("queues", [queue.name for queue in queues]),
        ("user pools", [pool.name for pool in user_pools]),
        ("identity pools", [pool.name for pool in identity_pools]),
        ("app clients", clients + machines),
        ("resource servers", [f"{pool.name}-{one.identifier}" for pool in user_pools for one in pool.resource_servers]),
        ("usage plans", [plan.name for plan in api.usage_plans]),
        ("API keys", [f"{plan.name}-{key}" for plan in api.usage_plans for key in plan.keys]),
    ):
        ids = [logical_id(name) for name in names]
        for name, one in zip(names, ids, strict=True):
            if not one:
                raise AppFileError(f"{path.name}: the name {name!r} of one of its {kind} has no letter and no digit.")
            if ids.count(one) > 1:
                raise AppFileError(f"{path.name}: two {kind} are called {name!r}.")


def _check_held(
    path: Path, what: str, used: Usable, functions: tuple[Function, ...], queues: tuple[Queue, ...]
) -> None:
    if not isinstance(used, Database) and used not in (*functions, *queues):
        kind = type(used).__name__.lower()
        raise AppFileError(f"{path.name}: {what} the {kind} {used.name!r}, which no variable of the module holds.")


def _own_lines(err: BaseException) -> str:
    """Where it happened in the app's own files, and what. The builder's lines would only hide which of them it was."""
    builder = str(Path(velvetrope.builder.__file__).parent)
    frames = [
        f
        for f in traceback.extract_tb(err.__traceback__)
        if "importlib" not in f.filename and f.filename != __file__ and not f.filename.startswith(builder)
    ]
    lines = traceback.format_list(frames) + traceback.format_exception_only(type(err), err)
    return "".join(lines).rstrip()
