"""Apply an app to this server: its stack, its users for development, its functions warm, its addresses known.

The template goes through CloudFormation, as it would on AWS, as the account's root. What AWS has no template for is
done here with the same operations that boto3 would call: users of `UserPool.dev_user` are made and get their password.
A password is set again only when the app file says another one than last time; which one that was is kept as a keyed
digest in the state folder, so that a user who changed it keeps the changed one.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
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
from velvetrope.synth.child import LOCAL_BUCKET, SynthesizedApp
from velvetrope.synth.packaging import CodePackage
from velvetrope.synth.sam import DevUserDeclaration

__all__ = ["AppApplier", "Progress"]

Progress = Callable[[str], None]


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

    async def apply(self, app: SynthesizedApp, code: CodePackage, *, progress: Progress) -> None:
        """Apply `app` and come back when it is there and warm.

        Raises:
            ValidationError: CloudFormation refuses the template; nothing was done.
            StackFailed: a resource failed, and everything is as it was before.
        """
        total = len(app.expanded["Resources"])
        done: set[str] = set()

        def on_event(event: EventRecord) -> None:
            if event.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE") and event.logical_id in app.expanded["Resources"]:
                done.add(event.logical_id)
            progress(f"applying {len(done)} of {total}: {event.logical_id} {event.status.replace('_', ' ').lower()}")

        stack = await self._stacks.apply(
            json.dumps(app.expanded),
            stack_name=_stack_name(app.name),
            call=self._call(),
            parameters={"SiteUrls": ",".join(self._connection.site_urls)},
            artifacts={(LOCAL_BUCKET, code.digest): code.zip_bytes},
            on_event=on_event,
        )
        progress("making users and warming functions")
        _, _, api_key = await asyncio.gather(
            self._ensure_dev_users(stack, app.dev_users), self._prewarm(stack), self._api_key(stack)
        )
        self._connection.describe_app(stack.outputs, api_key)
        self._connection.save(self._folder)

    async def _ensure_dev_users(self, stack: AppliedStack, users: list[DevUserDeclaration]) -> None:
        kept = _KeptPasswords(self._folder.path / "dev-users.json", self._master_keys)
        for user in users:
            pool_id = stack.resources[user.user_pool_logical_id].physical_id
            name = {"UserPoolId": pool_id, "Username": user.username}
            try:
                await self._invoke("cognito-idp", "AdminGetUser", name)
                if kept.is_same(pool_id, user):
                    continue
            except ServiceError as err:
                if err.code != "UserNotFoundException":
                    raise
                await self._invoke("cognito-idp", "AdminCreateUser", {**name, "MessageAction": "SUPPRESS"})
            password = {**name, "Password": user.password, "Permanent": True}
            await self._invoke("cognito-idp", "AdminSetUserPassword", password)
            kept.keep(pool_id, user)

    async def _prewarm(self, stack: AppliedStack) -> None:
        names = [r.physical_id for r in stack.resources.values() if r.type == "AWS::Lambda::Function"]
        call = self._call()
        await asyncio.gather(*(self._functions.prewarm(call.arn("lambda", f"function:{name}")) for name in names))

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

    def __init__(self, path: Path, master_keys: MasterKeys) -> None:
        self._path = path
        self._master_keys = master_keys
        try:
            self._digests: dict[str, str] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            self._digests = {}

    def is_same(self, pool_id: str, user: DevUserDeclaration) -> bool:
        return self._digests.get(f"{pool_id}/{user.username}") == self._digest(pool_id, user)

    def keep(self, pool_id: str, user: DevUserDeclaration) -> None:
        self._digests[f"{pool_id}/{user.username}"] = self._digest(pool_id, user)
        self._path.touch(mode=0o600)
        self._path.write_text(json.dumps(self._digests))

    def _digest(self, pool_id: str, user: DevUserDeclaration) -> str:
        info = json.dumps([pool_id, user.username, user.password]).encode()
        return self._master_keys.derive(purpose="dev-users", info=info).hex()


def _stack_name(app_name: str) -> str:
    """CloudFormation's names are letters, digits and hyphens and begin with a letter."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", app_name).strip("-")
    return (name if name[:1].isalpha() else f"app-{name}")[:128]
