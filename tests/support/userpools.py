"""User pools on a real SQLite file, called as the dispatcher would call them.

Every call through `World` is checked against botocore's model: parameters must be members of the operation's input,
members of the answer must be members of its output.
"""

import asyncio
import gzip
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore
import jwt as pyjwt
import msgspec
import pyotp
import pytest
from botocore import xform_name
from pycognito.aws_srp import AWSSRP

from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.errors import ServiceError
from velvetrope.iam import IamPrincipals
from velvetrope.kms import KmsService
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS, Principal
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.userpools import PasswordPolicySettings, UserPoolStore
from velvetrope.userpools import LogsRefused, UserPools
from velvetrope.userpools.factors.mfa_operations import MfaSettings
from velvetrope.userpools.shapes import AttributeType, UserPoolPolicies

ACCOUNT, REGION = "123456789012", "us-west-2"
PASSWORD = "Correct-horse-1"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_MODEL_FILE = Path(botocore.__file__).parent / "data/cognito-idp/2016-04-18/service-2.json.gz"
MODEL: dict[str, Any] = json.loads(gzip.decompress(_MODEL_FILE.read_bytes()))
_BY_METHOD = {xform_name(name): shape for name, shape in MODEL["operations"].items()}
_SECRETS = ("password", "temporary_password", "access_token", "refresh_token", "token", "client_secret")
_SECRETS_TOO = ("previous_password", "proposed_password")


@dataclass(frozen=True)
class Answered:
    """What a function answered."""

    payload: bytes
    function_error: str | None = None


Handler = Callable[[dict[str, Any]], Any]


class RecordingFunctions:
    """Functions that are Python callables by their ARNs, and every event they were given."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.events: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, str | None]] = []
        self.never_answer = False
        self.taken: list[dict[str, Any]] = []
        """Events that nobody waits for."""
        self.takes_no_events: ServiceError | None = None

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: str = "RequestResponse",
    ) -> Answered:
        if invocation_type == "Event":
            return self._take_event(function_arn, payload, caller, source_arn)
        event = json.loads(payload)
        self.events.append(event)
        self.calls.append((function_arn, caller.name, source_arn))
        if self.never_answer:
            await asyncio.Event().wait()
        try:
            return Answered(json.dumps(self.handlers[function_arn](event)).encode())
        except RaisedInFunction as raised:
            return Answered(json.dumps({"errorMessage": str(raised), "errorType": "Exception"}).encode(), "Unhandled")

    def _take_event(self, function_arn: str, payload: bytes, caller: Principal, source_arn: str | None) -> Answered:
        if self.takes_no_events is not None:
            raise self.takes_no_events
        self.taken.append(json.loads(payload))
        self.calls.append((function_arn, caller.name, source_arn))
        return Answered(b"")

    def sources(self) -> list[str]:
        """The trigger sources of the events so far."""
        return [event["triggerSource"] for event in self.events]

    def answers(self, name: str, **response: Any) -> str:
        """A function that fills the response in; its ARN."""
        return self.define(name, lambda event: {**event, "response": {**event["response"], **response}})

    def define(self, name: str, handler: Handler) -> str:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self.handlers[arn] = handler
        return arn


class RaisedInFunction(Exception):
    """What a function's code raises."""


class RecordingLogs:
    """The logs of import jobs: what was written, by group and stream, and roles that may not."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], list[str]] = {}
        self.roles_refused: set[str] = set()

    async def check_role(self, role_arn: str, *, now: datetime) -> None:
        if role_arn in self.roles_refused:
            raise LogsRefused("the role's trust policy does not name the service")

    async def open(self, role_arn: str, group: str, stream: str, *, now: datetime) -> None:
        await self.check_role(role_arn, now=now)
        self.lines.setdefault((group, stream), [])

    async def write(self, role_arn: str, group: str, stream: str, lines: list[str], *, now: datetime) -> None:
        self.lines[group, stream] += lines


class RecordingPoolLogs:
    """Log groups that are there, and what was written to them."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.events: list[tuple[str, str, int, str]] = []

    async def has_group(self, name: str, /) -> bool:
        return name in self.groups

    def keep(self, group: str, stream: str, at_ms: int, message: str, /) -> None:
        self.events.append((group, stream, at_ms, message))


class World:
    """One server's user pools, a clock that stands still, and shorthand for what tests do all the time."""

    def __init__(self, database: Database, master_keys: MasterKeys, *, public_url: str | None = None) -> None:
        self.functions = RecordingFunctions()
        self.database = database
        self.master_keys = master_keys
        self.clock = FrozenClock(START)
        self.entropy = CountingEntropy()
        self.import_logs = RecordingLogs()
        self.logs = RecordingPoolLogs()
        principals = IamPrincipals(IamStore(database))
        self.kms = KmsService(database, master_keys, principals, self.clock, self.entropy)
        self.pools = UserPools(
            database,
            master_keys=master_keys,
            clock=self.clock,
            entropy=self.entropy,
            functions=self.functions,
            data_keys=self.kms.keys,
            public_url=public_url,
            import_logs=self.import_logs,
            logs=self.logs,
        )
        self.store = UserPoolStore(database)
        self.operations: dict[str, Callable[..., Awaitable[object]]] = {}
        for owner in self.pools.operations:
            self.operations.update(implemented_operations(owner))

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operation = self.operations[name]

        async def called(**parameters: Any) -> Any:
            shape = _BY_METHOD[name]
            assert set(parameters) <= _members(shape.get("input")), name
            for secret in (*_SECRETS, *_SECRETS_TOO):
                if isinstance(parameters.get(secret), str):
                    parameters[secret] = Secret(parameters[secret])
            answer = await operation(self.call(), **parameters)
            assert (answer is None) == ("output" not in shape), name
            if isinstance(answer, Mapping):
                _check_answer(answer, shape["output"]["shape"])
            return answer

        return called

    def call(self) -> Call:
        return Call(principal=ANONYMOUS, account_id=ACCOUNT, region=REGION, request_id="r", now=self.now)

    # Things to have

    async def pool(self, **settings: Any) -> str:
        answer = await self.create_user_pool(pool_name="people", **settings)
        return str(answer["user_pool"]["id"])

    async def lax_pool(self, **settings: Any) -> str:
        """A pool whose passwords need eight characters and nothing else."""
        return await self.pool(policies=UserPoolPolicies(password_policy=PasswordPolicySettings()), **settings)

    async def client(self, pool_id: str, **settings: Any) -> str:
        settings.setdefault(
            "explicit_auth_flows",
            (
                "ALLOW_USER_SRP_AUTH",
                "ALLOW_USER_PASSWORD_AUTH",
                "ALLOW_ADMIN_USER_PASSWORD_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH",
            ),
        )
        if "refresh_token_rotation" in settings:
            flows = settings["explicit_auth_flows"]
            settings["explicit_auth_flows"] = tuple(flow for flow in flows if flow != "ALLOW_REFRESH_TOKEN_AUTH")
        settings.setdefault("prevent_user_existence_errors", "ENABLED")
        answer = await self.create_user_pool_client(user_pool_id=pool_id, client_name="app", **settings)
        return str(answer["user_pool_client"]["client_id"])

    async def user(self, pool_id: str, username: str = "anna", *, password: str = PASSWORD, **attributes: str) -> str:
        """A confirmed user; returns their sub."""
        await self.admin_create_user(
            user_pool_id=pool_id,
            username=username,
            message_action="SUPPRESS",
            user_attributes=attribute_list(**attributes),
        )
        await self.admin_set_user_password(user_pool_id=pool_id, username=username, password=password, permanent=True)
        found = await self.admin_get_user(user_pool_id=pool_id, username=username)
        return next(str(a["value"]) for a in found["user_attributes"] if a["name"] == "sub")

    async def some_user(self, **client_settings: Any) -> tuple[str, str]:
        """A pool with a client and the user anna; returns the ids of the first two."""
        pool_id = await self.pool()
        client_id = await self.client(pool_id, **client_settings)
        await self.user(pool_id, email="anna@example.com", email_verified="true")
        return pool_id, client_id

    # Things to do

    async def sign_in(self, client_id: str, username: str = "anna", password: str = PASSWORD, **more: str) -> Any:
        answer = await self.initiate_auth(
            auth_flow="USER_PASSWORD_AUTH",
            client_id=client_id,
            auth_parameters={"USERNAME": username, "PASSWORD": password, **more},
        )
        return answer.get("authentication_result", answer)

    async def srp_sign_in(
        self,
        pool_id: str,
        client_id: str,
        username: str = "anna",
        password: str = PASSWORD,
        *,
        client_secret: str | None = None,
        before_the_answer: Callable[[dict[str, str]], None] = lambda _responses: None,
    ) -> Any:
        """Sign in as an unmodified client library computes it."""
        them = srp_client(pool_id, client_id, username, password, client_secret=client_secret)
        challenge = await self.initiate_auth(
            auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
        )
        assert challenge["challenge_name"] == "PASSWORD_VERIFIER"
        responses = self.srp_answer(them, challenge["challenge_parameters"])
        before_the_answer(responses)
        return await self.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )

    def srp_answer(self, them: Any, parameters: Mapping[str, str]) -> dict[str, str]:
        """What AWSSRP.process_challenge makes, at our clock's time instead of the wall's."""
        user_id = parameters["USER_ID_FOR_SRP"]
        key = them.get_password_authentication_key(
            user_id, them.password, int(parameters["SRP_B"], 16), parameters["SALT"]
        )
        timestamp = AWSSRP.get_cognito_formatted_timestamp(self.now)
        block = b64decode(parameters["SECRET_BLOCK"])
        message = them.pool_id.split("_")[1].encode() + user_id.encode() + block + timestamp.encode()
        responses = {
            "TIMESTAMP": timestamp,
            "USERNAME": parameters["USERNAME"],
            "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": b64encode(hmac.digest(key, message, "sha256")).decode(),
        }
        if them.client_secret is not None:
            responses["SECRET_HASH"] = secret_hash(responses["USERNAME"], them.client_id, them.client_secret)
        return responses

    async def respond(
        self, client_id: str, challenge: Mapping[str, Any], responses: Mapping[str, str], *, name: str | None = None
    ) -> Any:
        """Answer a challenge with its own session; `name` where another challenge is answered than was asked."""
        given = {"USERNAME": "anna", **responses}
        session = {"session": challenge["session"]} if challenge.get("session") else {}
        return await self.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name=name or challenge["challenge_name"],
            challenge_responses=given,
            **session,
        )

    async def last_code(self, pool_id: str) -> str:
        """The digits in the message that was written last."""
        newest = (await self.pools.outbox.messages(pool_id, limit=1))[0]
        return str(re.findall(r"[0-9]{6,8}", newest.text)[0])

    def totp(self, secret_code: str, *, steps: int = 0) -> str:
        """What an authenticator app shows, `steps` half minutes from now."""
        return pyotp.TOTP(secret_code).at(self.now + timedelta(seconds=30 * steps))

    async def set_totp_up(self, access_token: str, *, preferred: bool = True) -> str:
        """Set an authenticator app up as a signed-in user does; returns its secret. The clock goes on past its code."""
        secret = str((await self.associate_software_token(access_token=access_token))["secret_code"])
        await self.verify_software_token(access_token=access_token, user_code=self.totp(secret))
        await self.set_user_mfa_preference(
            access_token=access_token,
            software_token_mfa_settings=MfaSettings(enabled=True, preferred_mfa=preferred),
        )
        self.later(seconds=30)
        return secret

    async def refresh(self, client_id: str, refresh_token: str, **more: str) -> Any:
        answer = await self.initiate_auth(
            auth_flow="REFRESH_TOKEN_AUTH",
            client_id=client_id,
            auth_parameters={"REFRESH_TOKEN": refresh_token, **more},
        )
        return answer["authentication_result"]


def srp_client(
    pool_id: str, client_id: str, username: str = "anna", password: str = PASSWORD, *, client_secret: str | None = None
) -> Any:
    return AWSSRP(
        username=username,
        password=password,
        pool_id=pool_id,
        client_id=client_id,
        client=object(),
        client_secret=client_secret,
    )


def secret_hash(username: str, client_id: str, client_secret: str) -> str:
    return str(AWSSRP.get_secret_hash(username, client_id, client_secret))


def attribute_list(**attributes: str) -> tuple[AttributeType, ...]:
    """`custom__x` stands for `custom:x`."""
    return tuple(AttributeType(name=n.replace("__", ":"), value=v) for n, v in attributes.items())


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified: these tests ask whether we say the right things."""
    read: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return read


@asynccontextmanager
async def refused(code: str, message: str | None = None) -> AsyncIterator[pytest.ExceptionInfo[ServiceError]]:
    """The block ends in this ServiceError."""
    with pytest.raises(ServiceError) as refusal:
        yield refusal
    assert (refusal.value.code, refusal.value.http_status) == (code, 400)
    if message is not None:
        assert refusal.value.message == message


def _members(reference: Mapping[str, str] | None) -> set[str]:
    if reference is None:
        return set()
    return {xform_name(name) for name in MODEL["shapes"][reference["shape"]]["members"]}


def _check_answer(answer: object, shape_name: str) -> None:
    shape = MODEL["shapes"][shape_name]
    if answer is None or shape.get("document"):
        return
    if shape["type"] == "structure":
        built = msgspec.to_builtins(answer) if isinstance(answer, msgspec.Struct) else answer
        assert isinstance(built, Mapping), shape_name
        members = {xform_name(name): member["shape"] for name, member in shape["members"].items()}
        required = {xform_name(name) for name in shape.get("required", [])}
        assert set(built) <= set(members), (shape_name, set(built) - set(members))
        assert required <= {name for name, value in built.items() if value is not None}, shape_name
        for name, value in built.items():
            _check_answer(value, members[name])
    elif shape["type"] == "list":
        assert isinstance(answer, (list, tuple)), shape_name
        for item in answer:
            _check_answer(item, shape["member"]["shape"])
    elif shape["type"] in {"integer", "boolean", "timestamp", "string"}:
        kinds = {"integer": int, "boolean": bool, "timestamp": datetime, "string": str}
        assert type(answer) is kinds[shape["type"]], (shape_name, answer)
        if "enum" in shape:
            assert answer in shape["enum"]
