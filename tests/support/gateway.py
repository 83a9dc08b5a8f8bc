"""API Gateway for tests: the control plane called as boto3 names its operations, and a lane with callers who sign."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import msgspec
from botocore import xform_name

from support.models import operation_models
from velvetrope.apigateway import MethodTester, UsageReporter, operation_owners
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.decisions import DecisionLog
from velvetrope.execute_api import (
    CustomDomains,
    GatewayResponse,
    HttpBackends,
    IncomingRequest,
    RequestLane,
    ServiceAnswer,
    ServiceCall,
    Surroundings,
)
from velvetrope.iam import IamPrincipals
from velvetrope.operations import Call, implemented_operations
from velvetrope.policy import PrincipalPolicies, parse_policy
from velvetrope.principals import ANONYMOUS, Principal, Session, SigningCredentials, TemporaryCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemEntropy
from velvetrope.sigv4 import UnknownAccessKey
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import (
    ApiGatewayStore,
    Authorizer,
    Deployment,
    Method,
    Resource,
    RestApi,
    Stage,
)
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.iam import IamStore, User
from velvetrope.store.tables.usage import UsageStore
from velvetrope.sts import Sessions
from velvetrope.tokens import (
    KeySet,
    SigningKey,
    TokenUse,
    VerifiedToken,
    claimed_audience,
    generate_signing_key,
    sign_token,
    verify_token,
)

REGION = "us-west-2"
USER_ID = "AIDAEXAMPLEEXAMPLE123"
ACCOUNT = "111111111111"


class NoTrials:
    """Nothing is tried out."""

    async def run_method(self, *_arguments: Any, **_options: Any) -> Any:
        raise AssertionError("nobody was to be called")

    async def ask_authorizer(self, *_arguments: Any, **_options: Any) -> Any:
        raise AssertionError("nobody was to be asked")


class Traffic(UsageReporter, Protocol):
    """A request lane, as far as the control plane knows it."""

    @property
    def tests(self) -> MethodTester: ...


class NoTraffic:
    """A request lane that nobody has called."""

    def __init__(self) -> None:
        self.settled = 0
        self.tests = NoTrials()

    async def settle_usage(self) -> None:
        self.settled += 1


class ControlPlane:
    """`await plane.create_rest_api(name="x")`: the operation's answer."""

    def __init__(self, database: Database, reporter: Traffic, master_keys: MasterKeys | None = None) -> None:
        entropy = CountingEntropy()
        self.database = database
        self.store = ApiGatewayStore(database)
        self.usage = UsageStore(database)
        self.reporter = reporter
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.lookup = CustomDomains(DomainNameStore(database), database.changes)
        owners = operation_owners(
            self.store,
            self.usage,
            DomainNameStore(database),
            IamPrincipals(IamStore(database)),
            master_keys or MasterKeys.generate(entropy),
            entropy,
            reporter=reporter,
            lookup=self.lookup,
            tester=reporter.tests,
            reserved_hosts=("api.localhost", "*.auth.localhost"),
        )
        self.operations = {name: method for owner in owners for name, method in implemented_operations(owner).items()}
        self.model = operation_models("apigateway")

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operation = self.operations[name]

        async def invoke(**parameters: Any) -> Any:
            answer = await operation(
                Call(principal=ANONYMOUS, account_id=ACCOUNT, region=REGION, request_id="r", now=self.now),
                **parameters,
            )
            check_members(answer, self.model[name].output_shape, name)
            return answer

        return invoke


def check_members(value: Any, shape: Any, where: str) -> None:
    """Every member of an answer is one of the model's, at any depth."""
    if shape is None:
        assert value is None, where
        return
    if value is None:
        return
    if shape.type_name == "structure":
        members = {xform_name(name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            assert name in members, f"{where}.{name}"
            check_members(inner, members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            check_members(inner, shape.member, f"{where}[]")
    elif shape.type_name == "map":
        for key, inner in value.items():
            check_members(inner, shape.value, f"{where}.{key}")


FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo"
FUNCTION_URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION_ARN}/invocations"
API_KEY = "demo-key-value-0123456789"


INVOCATION_ID = "11111111-2222-4333-8444-555555555555"


class Invocation:
    """What a function answered."""

    def __init__(self, payload: bytes, function_error: str | None = None) -> None:
        self.payload = payload
        self.function_error = function_error
        self.request_id = INVOCATION_ID


class RecordingInvoker:
    """Answers what it is told to, or raises it, and keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer: Invocation | Exception | Callable[[], Awaitable[Invocation]] = Invocation(b'{"statusCode": 200}')

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: str = "RequestResponse",
    ) -> Invocation:
        self.calls.append(
            {"function_arn": function_arn, "payload": payload, "caller": caller, "source_arn": source_arn, "now": now}
            | {"invocation_type": invocation_type}
        )
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, Invocation) else await self.answer()


class RecordingServices:
    """AWS services that are called under a role: answers what it is told to."""

    def __init__(self) -> None:
        self.calls: list[ServiceCall] = []
        self.answer: ServiceAnswer | Exception = ServiceAnswer(status=200, headers=(), body=b"{}")

    async def call(self, call: ServiceCall, now: datetime) -> ServiceAnswer:
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@cache
def _pool_keys() -> dict[str, SigningKey]:
    return {pool_id: generate_signing_key() for pool_id in ("us-west-2_one", "us-west-2_two")}


class Pools:
    """User pools that sign tokens: `token("pool", token_use="id", …)` is good for an hour."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self.verified = 0

    def issuer(self, pool_id: str) -> str:
        return f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}"

    def token(self, pool_id: str = "us-west-2_one", *, token_use: str = "id", **claims: object) -> str:
        now = int(self._clock.now().timestamp())
        audience = {"aud": "client"} if token_use == "id" else {"client_id": "client"}
        known = {"sub": "s-1", "iss": self.issuer(pool_id), "token_use": token_use, "iat": now, "exp": now + 3600}
        return sign_token({**known, **audience, **claims}, _pool_keys()[pool_id])

    async def pool_of_issuer(self, issuer: str) -> str | None:
        pool_id = issuer.rpartition("/")[2]
        return pool_id if pool_id in _pool_keys() and issuer == self.issuer(pool_id) else None

    async def verify_pool_token(
        self, token: str, *, user_pool_id: str, token_use: TokenUse, now: datetime
    ) -> VerifiedToken:
        self.verified += 1
        return verify_token(
            token,
            keys=KeySet.of([_pool_keys()[user_pool_id]]),
            issuers=[self.issuer(user_pool_id)],
            token_use=token_use,
            audiences=[claimed_audience(token)] if token_use == "id" else None,
            now=now,
        )


class KeptLogs:
    """A sink for log groups, and the owner's own log of requests."""

    wants_lines = False

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.records: list[Mapping[str, object]] = []

    def keep(self, group: str, stream: str, at_ms: int, message: str) -> None:
        self.lines.append((group, stream, message))

    def write(self, record: Mapping[str, object]) -> None:
        self.records.append(record)

    def write_line(self, line: str) -> None:
        self.lines.append(("", "", line))

    def of(self, group: str) -> list[str]:
        return [line for name, _, line in self.lines if name == group]


class Callers:
    """A credential source and policy gatherer of a few callers."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.users: dict[str, SigningCredentials] = {}
        self.policies: dict[str, PrincipalPolicies] = {}

    def recall_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials | None:
        return (
            self.users.get(access_key_id)
            if session_token is None
            else self._sessions.open(access_key_id, session_token, now)
        )

    async def find_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials:
        if session_token is not None:
            return self._sessions.open(access_key_id, session_token, now)
        if access_key_id not in self.users:
            raise UnknownAccessKey
        return self.users[access_key_id]

    def recall_policies(self, principal: Principal) -> PrincipalPolicies | None:
        return self.policies.get(principal.policy_arn)

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        return self.policies.get(principal.policy_arn, PrincipalPolicies())


def allow(resource: str, *, effect: str = "Allow", source: str = "inline policy invoke-api") -> PrincipalPolicies:
    """One identity policy about execute-api:Invoke on `resource`."""
    text = (
        f'{{"Version":"2012-10-17","Statement":[{{"Sid":"Invoke","Effect":"{effect}",'
        f'"Action":"execute-api:Invoke","Resource":"{resource}"}}]}}'
    )
    return PrincipalPolicies(identity=(parse_policy(text, kind="identity", source=source),))


class Gateway:
    """A lane over a real store, with a frozen clock, a recording function, and callers who sign."""

    def __init__(self, database: Database, *, cors: bool = False, seed: int = 0) -> None:
        entropy = CountingEntropy()
        entropy.token_bytes(32 * seed)  # another seed makes another server's keys
        self.master_keys = MasterKeys.generate(entropy)
        self.sessions = Sessions(self.master_keys, entropy)
        self.callers = Callers(self.sessions)
        self.functions = RecordingInvoker()
        self.services = RecordingServices()
        self.log = DecisionLog()
        self.kept_logs = KeptLogs()
        self.clock = FrozenClock()
        self.pools = Pools(self.clock)
        self.database = database
        self.lane = self.make_lane(cors=cors)
        self.plane = ControlPlane(database, self.lane, self.master_keys)
        self.api_id = ""
        self._deployments = 0

    def make_lane(self, *, cors: bool = False, logs_all: bool = False) -> RequestLane:
        """One more node over the same store."""
        return RequestLane(
            self.surroundings(logs_all=logs_all),
            store=ApiGatewayStore(self.database),
            tokens=self.pools,
            master_keys=self.master_keys,
            cors_on_gateway_responses=cors,
        )

    def surroundings(self, *, logs_all: bool) -> Surroundings:
        """What a lane is handed here; `logs_all` has its requests logged too."""
        return Surroundings(
            region=REGION,
            clock=self.clock,
            entropy=SystemEntropy(),
            changes=self.database.changes,
            usage=UsageStore(self.database),
            credentials=self.callers,
            policies=self.callers,
            functions=self.functions,
            services=self.services,
            backends=HttpBackends(),
            recorder=self.log,
            logs=self.kept_logs,
            requests=self.kept_logs if logs_all else None,
        )

    async def deploy(self, document: Mapping[str, Any], *, stage: str = "latest") -> str:
        """Import and deploy an OpenAPI document."""
        import json

        body = json.dumps({"openapi": "3.0.1", "info": {"title": "demo"}, **document}).encode()
        if self.api_id:
            await self.plane.put_rest_api(rest_api_id=self.api_id, mode="overwrite", body=body)
        else:
            self.api_id = (await self.plane.import_rest_api(body=body))["id"]
        await self.plane.create_deployment(rest_api_id=self.api_id, stage_name=stage)
        return self.api_id

    async def deploy_record(
        self,
        methods: Mapping[str, Method],
        *,
        authorizers: Sequence[Authorizer] = (),
        stage_settings: Mapping[str, Any] | None = None,
        **members: Any,
    ) -> str:
        """Deploy an API as a record, past the control plane; `methods` are by `VERB /path`."""
        self.api_id = self.api_id or "recordapi1"
        now = self.clock.now()
        resources: dict[str, Resource] = {}
        for name, method in methods.items():
            verb, _, path = name.partition(" ")
            resource = resources.get(path) or Resource(id=f"r{len(resources)}", path=path)
            methods_of = {**resource.methods, verb: msgspec.structs.replace(method, http_method=verb)}
            resources[path] = msgspec.structs.replace(resource, methods=methods_of)
        api = RestApi(
            id=self.api_id,
            account_id=ACCOUNT,
            name="record",
            created_at=now,
            root_resource_id="r0",
            resources={resource.id: resource for resource in resources.values()},
            authorizers={one.id: one for one in authorizers},
            **members,
        )
        store = self.plane.store
        self._deployments += 1
        if self._deployments == 1:
            await store.save_new_rest_api(api)
        else:
            await store.change_rest_api(ACCOUNT, self.api_id, lambda _: api)
        deployment_id = f"d{self._deployments}"

        def stage(deployment: Deployment, present: Stage | None) -> Stage:
            return Stage(
                rest_api_id=self.api_id,
                stage_name="latest",
                deployment_id=deployment.id,
                created_at=now,
                modified_at=now,
                **(stage_settings or {}),
            )

        await store.save_new_deployment(
            ACCOUNT,
            self.api_id,
            lambda found: Deployment(id=deployment_id, rest_api_id=found.id, created_at=now, rest_api=found),
            stage,
        )
        return self.api_id

    async def plan_with_key(
        self, *, rate: float | None = 10.0, burst: int | None = 20, quota: int | None = 10_000, value: str = API_KEY
    ) -> tuple[str, str]:
        """A usage plan for the stage, with one enabled key: their ids."""
        from velvetrope.apigateway.usage_plans import ApiStageInput, QuotaSettings, ThrottleSettings

        plan = await self.plane.create_usage_plan(
            name="plan",
            api_stages=[ApiStageInput(api_id=self.api_id, stage="latest")],
            throttle=None if rate is None and burst is None else ThrottleSettings(rate_limit=rate, burst_limit=burst),
            quota=None if quota is None else QuotaSettings(limit=quota, period="DAY"),
        )
        key = await self.plane.create_api_key(name="key", value=value, enabled=True)
        await self.plane.create_usage_plan_key(usage_plan_id=plan["id"], key_id=key["id"], key_type="API_KEY")
        return str(plan["id"]), str(key["id"])

    def arn(self, method_and_path: str) -> str:
        """The ARN of a method of the stage `latest`."""
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api_id}/latest/{method_and_path}"

    def role_session(
        self, role: str = "authenticated", *, claims: Mapping[str, tuple[str, ...]] | None = None
    ) -> TemporaryCredentials:
        """Temporary credentials of a role, good for one hour."""
        now = self.clock.now()
        principal = Principal(
            kind="AssumedRole",
            account_id=ACCOUNT,
            arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/CognitoIdentityCredentials",
            policy_arn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            unique_id="AROAEXAMPLEEXAMPLE123:CognitoIdentityCredentials",
            name=role,
            session=Session(issued_at=now, expires_at=now + timedelta(hours=1), claims=claims or {}),
        )
        return self.sessions.issue(principal)

    async def add_user(self, name: str = "alice") -> None:
        """Have IAM know the user whose credentials `user` gives, so that a resource policy may name it."""
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        await IamStore(self.database).save_new_user(
            User(account_id=ACCOUNT, user_name=name, user_id=USER_ID, arn=arn, path="/", created_at=self.clock.now())
        )

    def user(self, name: str = "alice") -> TemporaryCredentials:
        """Long-term credentials of a user; the token is empty."""
        credentials = SigningCredentials(
            access_key_id="AKIAEXAMPLEEXAMPLE12",
            secret_access_key=Secret("user-secret"),
            principal=Principal(
                kind="User",
                account_id=ACCOUNT,
                arn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
                policy_arn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
                unique_id=USER_ID,
                name=name,
                access_key_id="AKIAEXAMPLEEXAMPLE12",
            ),
        )
        self.callers.users[credentials.access_key_id] = credentials
        return TemporaryCredentials(
            credentials.access_key_id, credentials.secret_access_key, "", self.clock.now() + timedelta(days=1)
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        api_key: str | None = None,
        stage: str = "latest",
        scheme: str = "http",
    ) -> IncomingRequest:
        """A request to the path-style address of a stage. `path` may have a query."""
        raw_path, _, query = f"/_api/{self.api_id}/{stage}{path}".partition("?")
        sent = {"Host": "localhost:4800", "User-Agent": "tests", **(headers or {})}
        if api_key is not None:
            sent["x-api-key"] = api_key
        return IncomingRequest(
            api_id=self.api_id,
            method=method,
            raw_path=raw_path.encode(),
            stage_path=raw_path.removeprefix(f"/_api/{self.api_id}").encode(),
            query_string=query.encode(),
            headers=tuple((name.encode(), value.encode()) for name, value in sent.items()),
            body=body,
            source_ip="127.0.0.1",
            scheme=scheme,
            http_version="1.1",
            received_at=self.clock.now(),
        )

    def signed(
        self,
        request: IncomingRequest,
        credentials: TemporaryCredentials,
        *,
        service: str = "execute-api",
        region: str = REGION,
        secret: str | None = None,
    ) -> IncomingRequest:
        """`request` as botocore signs it, at the frozen time."""
        query = f"?{request.query_string.decode()}" if request.query_string else ""
        aws_request = botocore.awsrequest.AWSRequest(
            method=request.method,
            url=f"http://localhost:4800{request.raw_path.decode()}{query}",
            headers={name.decode(): value.decode() for name, value in request.headers},
            data=request.body,
        )
        signer = _FrozenSigner(
            botocore.credentials.Credentials(
                credentials.access_key_id,
                secret or credentials.secret_access_key.reveal(),
                credentials.session_token or None,
            ),
            service,
            region,
        )
        signer.now = request.received_at
        signer.add_auth(aws_request)
        headers = tuple((name.encode(), str(value).encode()) for name, value in aws_request.headers.items())
        return msgspec.structs.replace(request, headers=headers)

    async def call(self, request: IncomingRequest) -> GatewayResponse:
        return await self.lane.answer(request)

    async def get(self, path: str, **options: Any) -> GatewayResponse:
        """An unsigned GET."""
        return await self.call(self.request("GET", path, **options))


class _FrozenSigner(botocore.auth.SigV4Auth):  # type: ignore[misc]  # botocore has no types
    now: datetime

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self.now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        canonical_request = self.canonical_request(request)
        string_to_sign = self.string_to_sign(request, canonical_request)
        self._inject_signature_to_request(request, self.signature(string_to_sign, request))


def header(response: GatewayResponse, name: str) -> str | None:
    """The value of a header with exactly this casing."""
    return next((value.decode() for found, value in response.headers if found.decode() == name), None)


def patch(op: str, path: str, value: str | None = None) -> tuple[PatchOperation, ...]:
    """One change, as `Update…` operations take it."""
    return (PatchOperation(op=op, path=path, value=value),)
