"""Apply an app to this server: its stack, its users for development, its functions warm, its addresses known.

The template goes through CloudFormation, as it would on AWS, as the account's root. What AWS has no template for is
done here with the same operations that boto3 would call: users of `UserPool.dev_user` are made and get their password.
A password is set again only when the app file says another one than last time; which one that was is kept as a keyed
digest in the state folder, so that a user who changed it keeps the changed one.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from velvetrope.clock import Clock
from velvetrope.cloudformation import AppliedStack, StackEngine
from velvetrope.errors import ServiceError
from velvetrope.functions import FunctionInvoker
from velvetrope.operations import Call, OperationInvoker
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.server.connection import Connection
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder
from velvetrope.store.tables.cloudformation import EventRecord
from velvetrope.synth.child import LOCAL_BUCKET, DevUserDeclaration, SynthesizedApp
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.packaging import CodePackage

__all__ = ["AppApplier", "Progress"]

Progress = Callable[[str], None]

_DEV_USERS = "dev-users.json"


class AppApplier:
    """Makes this server what an app says."""

    def __init__(
        self,
        *,
        stacks: StackEngine,
        invoker: OperationInvoker,
        functions: FunctionInvoker,
        connection: Connection,
        folder: StateFolder,
        master_keys: MasterKeys,
        owner: Principal,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._stacks = stacks
        self._invoker = invoker
        self._functions = functions
        self._connection = connection
        self._folder = folder
        self._master_keys = master_keys
        self._owner = owner
        self._settings = settings
        self._clock = clock
        self._applied: str | None = None
        self.parameters: dict[str, str] = {}
        """What templates of this server's apps may ask for besides `SiteUrls`: where the database is."""

    async def apply(self, app: SynthesizedApp, code: CodePackage, *, progress: Progress) -> str | None:
        """Apply `app` and come back when it is there and warm.

        Returned is the stack of the version before, if that has another name: it stays as it is, and answers.

        Raises:
            ValidationError: CloudFormation refuses the template; nothing was done.
            StackFailed: a resource failed, and everything is as it was before.
        """
        resources = app.expanded["Resources"]
        asked_for = app.expanded.get("Parameters", {})
        known = {"SiteUrls": ",".join(self._connection.site_urls), **self.parameters}
        done: set[str] = set()
        early: dict[str, asyncio.Task[None]] = {}

        def on_event(event: EventRecord) -> None:
            name, status = event.logical_id, event.status
            if name in resources and status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                done.add(name)
                # Users and warm functions take a moment each; they need not wait for the rest of the stack.
                if name not in early and (work := self._work_after(name, event.physical_id, app)) is not None:
                    early[name] = asyncio.get_running_loop().create_task(work)
            progress(f"applying {len(done)} of {len(resources)}: {name} {status.replace('_', ' ').lower()}")

        try:
            stack = await self._stacks.apply(
                json.dumps(app.expanded),
                stack_name=_stack_name(app.name),
                call=self._call(),
                parameters={name: value for name, value in known.items() if name in asked_for},
                artifacts={(LOCAL_BUCKET, code.digest): code.zip_bytes},
                on_event=on_event,
            )
        except BaseException:
            for task in early.values():
                task.cancel()
            await asyncio.gather(*early.values(), return_exceptions=True)
            raise
        progress("making users and warming functions")
        late = {
            name: asyncio.get_running_loop().create_task(work)
            for name, resource in stack.resources.items()
            if name not in early and (work := self._work_after(name, resource.physical_id, app)) is not None
        }
        await asyncio.gather(*early.values(), *late.values())
        self._connection.describe_app(stack.outputs, await self._api_key(stack))
        self._connection.save(self._folder)
        before, self._applied = self._applied, _stack_name(app.name)
        return None if before == self._applied else before

    def _work_after(self, name: str, physical_id: str, app: SynthesizedApp) -> Coroutine[None, None, None] | None:
        """What is to be done once this resource is there; None for most."""
        match app.expanded["Resources"].get(name, {}).get("Type"):
            case "AWS::Cognito::UserPool":
                users = [user for user in app.dev_users if user.user_pool_logical_id == name]
                return self._ensure_dev_users(physical_id, users)
            case "AWS::Lambda::Function":
                return self._prewarm(physical_id)
        return None

    async def _ensure_dev_users(self, pool_id: str, users: list[DevUserDeclaration]) -> None:
        kept = _KeptPasswords(self._folder, self._master_keys)
        for user in users:
            try:
                await self._ensure_dev_user(pool_id, user, kept)
            except ServiceError as refused:
                raise AppFileError(f"The dev_user {user.username!r}: {refused.message}") from refused

    async def _ensure_dev_user(self, pool_id: str, user: DevUserDeclaration, kept: "_KeptPasswords") -> None:
        name = {"UserPoolId": pool_id, "Username": user.username}
        quoted = user.username.replace("\\", "\\\\").replace('"', '\\"')
        found = await self._invoke(
            "cognito-idp", "ListUsers", {"UserPoolId": pool_id, "Filter": f'username = "{quoted}"'}
        )
        if not found["Users"]:
            await self._invoke("cognito-idp", "AdminCreateUser", {**name, "MessageAction": "SUPPRESS"})
        elif kept.is_same(pool_id, user):
            return
        password = {**name, "Password": user.password, "Permanent": True}
        await self._invoke("cognito-idp", "AdminSetUserPassword", password)
        kept.keep(pool_id, user)

    async def _prewarm(self, function_name: str) -> None:
        await self._functions.prewarm(self._call().arn("lambda", f"function:{function_name}"))

    async def _api_key(self, stack: AppliedStack) -> str | None:
        key_id = stack.outputs.get("ApiKeyId")
        if key_id is None:
            return None
        key = await self._invoke("apigateway", "GetApiKey", {"apiKey": key_id, "includeValue": True})
        return str(key["value"])

    async def _invoke(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._invoker.invoke(service, operation, parameters, self._call())

    def _call(self) -> Call:
        return Call(
            principal=self._owner,
            account_id=self._settings.account_id,
            region=self._settings.region,
            request_id="",
            now=self._clock.now(),
            user_agent="velvetrope",
            secure_transport=True,
        )


class _KeptPasswords:
    """Which password each user for development was given last, as a digest that only the master key can make."""

    def __init__(self, folder: StateFolder, master_keys: MasterKeys) -> None:
        self._folder = folder
        self._master_keys = master_keys
        try:
            kept = json.loads((folder.path / _DEV_USERS).read_bytes())
        except (OSError, ValueError):
            kept = {}
        # Whatever else is there is no digest of ours: the password is set anew.
        self._digests: dict[str, str] = kept if isinstance(kept, dict) else {}

    def is_same(self, pool_id: str, user: DevUserDeclaration) -> bool:
        return self._digests.get(f"{pool_id}/{user.username}") == self._digest(pool_id, user)

    def keep(self, pool_id: str, user: DevUserDeclaration) -> None:
        self._digests[f"{pool_id}/{user.username}"] = self._digest(pool_id, user)
        self._folder.save_private(_DEV_USERS, self._digests)

    def _digest(self, pool_id: str, user: DevUserDeclaration) -> str:
        info = json.dumps([pool_id, user.username, user.password]).encode()
        return self._master_keys.derive(purpose="dev-users", info=info).hex()


def _stack_name(app_name: str) -> str:
    """CloudFormation's names are letters, digits and hyphens and begin with a letter."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", app_name).strip("-")
    return (name if name[:1].isalpha() else f"app-{name}")[:128]
