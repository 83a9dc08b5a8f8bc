"""App files: what they become, and how their mistakes are told."""

import ast
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from support.running import REPOSITORY
from velvetrope.builder import Api, Database, Function, IdentityPool, Queue, UserPool
from velvetrope.synth.app_file import load_app
from velvetrope.synth.child import start_synth
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.packaging import package_folder
from velvetrope.synth.sam import render_template, sam_template

DEMO = REPOSITORY / "examples" / "auth-api-demo" / "app.py"
SERVICES = REPOSITORY / "examples" / "service-to-service" / "app.py"

WITH_QUEUE = """
from velvetrope.builder import *
q = Queue('q')
api = Api('a')
api.get('/x')(lambda: {})
"""

MINIMAL = """
from velvetrope.builder import Api
api = Api("hello")

@api.get("/hello")
def hello():
    return {}
"""


ALLOWS_AN_UNKNOWN_ROLE = """
from velvetrope.builder import Api, IdentityPool
api = Api("a")

@api.get("/x", authorization_type="AWS_IAM", allow=[IdentityPool("p", clients=[]).authenticated])
def x():
    return {}
"""


@pytest.fixture(autouse=True)
def _imports_are_forgotten() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def app_file(folder: Path, text: str, name: str = "an_app.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_demo_is_about_as_long_as_the_articles_api() -> None:
    """Statements, not lines: two routes and what they need."""
    assert len(ast.parse(DEMO.read_text()).body) <= 11


def test_the_demo_declares_what_the_article_sets_up() -> None:
    template = sam_template(load_app(DEMO))
    by_type = {resource["Type"]: resource["Properties"] for resource in template["Resources"].values()}

    assert by_type["AWS::ApiGateway::UsagePlan"]["Throttle"] == {"RateLimit": 10, "BurstLimit": 20}
    assert by_type["AWS::ApiGateway::UsagePlan"]["Quota"] == {"Limit": 10_000, "Period": "DAY"}
    events = by_type["AWS::Serverless::Function"]["Events"]
    assert events["GetNoAuth"]["Properties"]["Auth"] == {"ApiKeyRequired": True}
    assert events["GetRequireAuth"]["Properties"]["Auth"] == {
        "ApiKeyRequired": True,
        "Authorizer": "AWS_IAM",
        "InvokeRole": "NONE",
    }
    assert by_type["AWS::Cognito::IdentityPool"]["AllowUnauthenticatedIdentities"] is True
    assert by_type["AWS::Cognito::UserPoolDomain"]["Domain"] == "auth-api-demo"


def test_a_template_reads_back_as_it_was_built() -> None:
    template = sam_template(load_app(DEMO))

    assert yaml.safe_load(render_template(template)) == template


def test_passwords_of_dev_users_are_in_no_template() -> None:
    assert "demoPASS123" not in render_template(sam_template(load_app(DEMO)))


def test_without_guests_there_is_no_guest_role(tmp_path: Path) -> None:
    text = DEMO.read_text().replace("allow_guests=True", "allow_guests=False")
    resources = sam_template(load_app(app_file(tmp_path, text)))["Resources"]

    attachment = next(r for r in resources.values() if r["Type"] == "AWS::Cognito::IdentityPoolRoleAttachment")
    assert set(attachment["Properties"]["Roles"]) == {"authenticated"}
    assert not [name for name in resources if "Guest" in name]


def test_a_role_may_call_exactly_the_routes_that_allow_it() -> None:
    resources = sam_template(load_app(DEMO))["Resources"]

    policy = resources["AuthApiDemoAuthenticatedRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    assert [r["Fn::Sub"].rsplit("/", 3)[1:] for r in policy["Statement"][0]["Resource"]] == [
        ["latest", "GET", "require-auth"]
    ]
    assert "Policies" not in resources["AuthApiDemoGuestRole"]["Properties"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "declares no Api"),
        ("from velvetrope.builder import Api\napi = Api('a')\n", "has no routes"),
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("def broken(:\n", "SyntaxError"),
        (MINIMAL + "other = Api('b')\n", "declares several Apis (api, other)"),
        (
            ALLOWS_AN_UNKNOWN_ROLE,
            "GET /x allows a role of the identity pool 'p', which no variable of the module holds",
        ),
        (
            MINIMAL + "from velvetrope.builder import *\np = IdentityPool('p', clients=[UserPool('u').client('c')])\n",
            "trusts a client of the user pool 'u', which no variable of the module holds",
        ),
        (WITH_QUEUE + "f = Function('f')\n", "the function 'f' has no handler"),
        (
            WITH_QUEUE + "api.get('/n/{a}')(lambda a: {})\napi.get('/n/{b}/x')(lambda b: {})\n",
            "an_app.py: /n/{b}/x: another variable, a, stands here",
        ),
        (
            WITH_QUEUE + "f = Function('f', uses=[Queue('other')])\nf.handler(print)\n",
            "the function 'f' uses the queue 'other', which no variable of the module holds",
        ),
        (
            WITH_QUEUE + "f = Function('f')\nf.on_queue(Queue('other'))(print)\n",
            "the function 'f' is triggered by the queue 'other', which no variable of the module holds",
        ),
        (
            WITH_QUEUE + "r = Queue('r', dead_letter=Queue('other'))\n",
            "the queue 'r' has for its dead letters the queue 'other', which no variable of the module holds",
        ),
        (WITH_QUEUE + "r = Queue('Q')\n", "two queues are called 'q'"),
        (WITH_QUEUE + "u = UserPool('p')\nv = UserPool('P')\n", "two user pools are called 'p'"),
        (WITH_QUEUE + "u = UserPool('p')\nu.client('w')\nu.client('w')\n", "two app clients are called 'p-w'"),
        (
            WITH_QUEUE + "api.usage_plan('web', rate_per_second=1, burst_requests=1, keys=['a', 'a'])\n",
            "two API keys are called 'web-a'",
        ),
        (
            WITH_QUEUE + "f = Function('door')\nf.handler(print)\ndoor = api.token_authorizer()(print)\n",
            "two functions are called 'door'",
        ),
        (WITH_QUEUE + "u = UserPool('-')\n", "the name '-' of one of its user pools has no letter and no digit"),
        (WITH_QUEUE + "f = Function('a')\nf.handler(print)\n", "two functions are called 'a'"),
        (
            WITH_QUEUE
            + "f = Function('f', uses=[Database('d', user='u'), Database('d', user='v')])\nf.handler(print)\n",
            "the function 'f' uses several databases; one is supported",
        ),
    ],
)
def test_a_mistake_in_an_app_file_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AppFileError) as refused:
        load_app(app_file(tmp_path, text))

    assert words in str(refused.value)
    assert "importlib" not in str(refused.value)


def test_a_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppFileError, match="There is no file"):
        load_app(tmp_path / "missing.py")
    with pytest.raises(AppFileError, match="not the name of a Python module"):
        load_app(app_file(tmp_path, MINIMAL, "not-a-module.py"))
    with pytest.raises(AppFileError, match="has the name of an installed module"):
        load_app(app_file(tmp_path, MINIMAL, "json.py"))


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda api: api.route("FETCH", "/x"), "the method must be one of"),
        (lambda api: api.get("x"), "a path starts with /"),
        (lambda api: api.get("/x", authorization_type="CUSTOM"), "authorization_type CUSTOM need each other"),
        (lambda api: api.get("/x", allow=[IdentityPool("p", clients=[]).guest]), "needs authorization_type AWS_IAM"),
        (lambda api: api.get("/twice"), "declared twice"),
        *(
            (lambda api, path=path: api.get(path), "each part of a path is")
            for path in ("/a//b", "/a/", "/a?b=c", "/x{n}")
        ),
        *((lambda api, path=path: api.get(path), "each part of a path is") for path in ("/{a-b}", "/{p+}/x", "/{n")),
        (lambda api: api.get("/{n}/{n}"), "two variables have one name"),
    ],
)
def test_a_wrong_route_is_refused_where_it_is_written(declare: Callable[[Api], object], words: str) -> None:
    api = Api("a")
    api.get("/twice")(lambda: None)

    with pytest.raises(ValueError, match=words):
        declare(api)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("other = Api('b', uses=queue)", "uses is a list: write uses=[...] around it, even for one"),
        ("api.get('/x', scopes='read', **token)(f)", "scopes is a list"),
        ("api.get('/x', authorization_type='AWS_IAM', allow=['guest'])(f)", "allow takes IdentityPoolRole"),
        ("api.get('/x', **{**token, 'user_pool': 'p'})(f)", "user_pool takes UserPool, and a str was given"),
        ("api.get('/x', authorization_type='CUSTOM', authorizer=f)(f)", "authorizer takes Authorizer"),
        ("api.usage_plan('p', rate_per_second=1, burst_requests=1, keys='abc')", "keys is a list"),
        ("api.request_authorizer(headers='X-A')(f)", "headers is a list"),
        ("Function('f', uses=['q'])", "uses takes Function or Queue or Database, and a str was given"),
        ("Queue('r', dead_letter='q')", "dead_letter takes Queue"),
        ("IdentityPool('p', clients=users.client('c'))", "clients is a list"),
        ("users.client('c', auth_flows='ALLOW_USER_SRP_AUTH')", "auth_flows is a list"),
        ("users.resource_server('r', scopes=['read'])", 'write scopes={"read": "Read it"}'),
        ("api.get('/{n}')(lambda: {})", "GET /{n}: its function is called with (n=...)"),
        ("api.get('/x')(lambda n: {})", "missing a required argument: 'n'"),
        ("api.get('/x')(waits)", "GET /x: waits is async, and Lambda calls plain functions"),
        ("api.token_authorizer()(waits)", "waits is async"),
        ("Function('f').handler(lambda: None)", "its function is called with (event, context)"),
    ],
)
def test_what_is_of_another_kind_is_refused_at_the_line_where_it_is(tmp_path: Path, line: str, words: str) -> None:
    declared = """
from velvetrope.builder import *
api, users, queue = Api("a"), UserPool("u"), Queue("q")
token = {"authorization_type": "COGNITO_USER_POOLS", "user_pool": users}
def f(*arguments): ...
async def waits(*arguments): ...
"""
    with pytest.raises(AppFileError) as refused:
        load_app(app_file(tmp_path, declared + line))

    assert words in str(refused.value)
    assert line in str(refused.value)


@pytest.mark.parametrize("origin", ["https://app.example.com/", "app.example.com", "'*'", ""])
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    assert Api("a", allow_origin="capacitor://localhost").allow_origin == "capacitor://localhost"
    with pytest.raises(ValueError, match="allow_origin is"):
        Api("a", allow_origin=origin)


def test_all_media_types_are_binary_only_where_no_preflight_comes() -> None:
    assert Api("a", binary_media_types=["*/*"], allow_origin=None).binary_media_types == ("*/*",)
    with pytest.raises(ValueError, match="name the types"):
        Api("a", binary_media_types=["image/png", "*/*"])


def test_routes_whose_names_in_the_template_would_be_one_are_all_in_it(tmp_path: Path) -> None:
    text = MINIMAL + "".join(
        f"api.get('{path}')(lambda **named: named)\n" for path in ("/notes/{number}", "/notes/number", "/notes-number")
    )

    events = sam_template(load_app(app_file(tmp_path, text)))["Resources"]["HelloFunction"]["Properties"]["Events"]

    paths = {name: event["Properties"]["Path"] for name, event in events.items()}
    assert paths == {
        "GetHello": "/hello",
        "GetNotesNumber": "/notes/{number}",
        "GetNotesNumber2": "/notes/number",
        "GetNotesNumber3": "/notes-number",
    }


def test_what_sam_refuses_is_told_in_words(tmp_path: Path) -> None:
    path = app_file(tmp_path, MINIMAL.replace('Api("hello")', 'Api("hello", stage="")'))
    child = start_synth(path, code=package_folder(tmp_path), region="eu-west-1", cache_folder=tmp_path / "kept")

    with pytest.raises(AppFileError, match="StageName cannot be empty"):
        child.result()


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: Function("f", memory_mb=64), "memory_mb is"),
        (lambda: Function("f", timeout_seconds=901), "timeout_seconds is"),
        (lambda: Queue("q", visibility_timeout_seconds=43_201), "visibility_timeout_seconds is"),
        (lambda: Queue("q", max_receive_count=0), "max_receive_count is"),
        (lambda: Database("d", user="no user"), "no name of a database user"),
        (lambda: Function("f").on_queue(Queue("q"), batch_size=11), "batch_size is"),
        (lambda: Function("f", timeout_seconds=31).on_queue(Queue("q")), "gives its messages to another after 30 s"),
        (lambda: [Function("f").handler, (f := Function("f")).handler(print), f.handler(print)], "a handler already"),
    ],
)
def test_a_wrong_service_is_refused_where_it_is_written(declare: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        declare()


def test_what_a_function_uses_is_all_that_its_role_may() -> None:
    resources = sam_template(load_app(SERVICES))["Resources"]

    def allowed(name: str) -> dict[str, object]:
        [policy] = resources[name]["Properties"]["Policies"]
        return {str(statement["Action"]): statement["Resource"] for statement in policy["Statement"]}

    database = "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${DatabaseResourceId}/"
    assert allowed("OrdersFunction") == {
        "lambda:InvokeFunction": {"Fn::GetAtt": ["InventoryFunction", "Arn"]},
        "sqs:SendMessage": {"Fn::GetAtt": ["ShipmentsQueue", "Arn"]},
        "rds-db:connect": {"Fn::Sub": f"{database}orders_service"},
    }
    assert allowed("InventoryFunction") == {"rds-db:connect": {"Fn::Sub": f"{database}inventory_service"}}
    assert allowed("ShippingFunction") == {
        "rds-db:connect": {"Fn::Sub": f"{database}orders_service"},
        "['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']": {
            "Fn::GetAtt": ["ShipmentsQueue", "Arn"]
        },
    }
    # SAM's own event would let the function read every queue of the account.
    assert "Events" not in resources["ShippingFunction"]["Properties"]
    assert resources["ShippingFunctionShipmentsQueue"]["Type"] == "AWS::Lambda::EventSourceMapping"


def test_a_function_s_environment_says_where_everything_is() -> None:
    resources = sam_template(load_app(SERVICES))["Resources"]

    variables = resources["OrdersFunction"]["Properties"]["Environment"]["Variables"]

    assert variables["INVENTORY_FUNCTION"] == {"Ref": "InventoryFunction"}
    assert variables["SHIPMENTS_QUEUE_URL"] == {"Ref": "ShipmentsQueue"}
    assert (variables["PGUSER"], variables["PGSSLMODE"]) == ("orders_service", "verify-full")
    assert not [name for name in variables if "PASSWORD" in name]


@pytest.mark.parametrize("example", [DEMO, SERVICES], ids=lambda path: path.parent.name)
def test_aws_s_linter_has_nothing_to_say_of_an_example(example: Path) -> None:
    from cfnlint.api import lint

    assert lint(render_template(sam_template(load_app(example)))) == []


def test_a_function_runs_its_handler() -> None:
    function = Function("f")
    with pytest.raises(RuntimeError, match="has no handler"):
        function({}, None)
    function.handler(lambda event, context: [event, context])

    assert function({"a": 1}, "context") == [{"a": 1}, "context"]


@pytest.mark.parametrize("given", [{"memory_mb": 64}, {"timeout_seconds": 30}, {"timeout_seconds": 0}])
def test_limits_of_lambda_and_api_gateway_are_held_at_once(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is "):
        Api("a", **given)  # type: ignore[arg-type]  # rows of numbers


def test_an_api_answers_in_functions_only() -> None:
    api = Api("a")

    with pytest.raises(RuntimeError, match="inside a Lambda function only"):
        api({}, None)
    with pytest.raises(RuntimeError, match="only while a function answers"):
        _ = api.request


def test_a_package_holds_the_code_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "app.py",
        "lib/rules.py",
        "data.json",
        ".env",
        "__pycache__/app.pyc",
        "dev.log",
        "web/package.json",
        "web/x.js",
        "state/master-keys.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "secrets").symlink_to("/etc")

    package = package_folder(tmp_path)

    assert zipfile.ZipFile(io.BytesIO(package.zip_bytes)).namelist() == ["app.py", "data.json", "lib/rules.py"]
    (tmp_path / "app.py").touch()
    assert package_folder(tmp_path).digest == package.digest
    (tmp_path / "app.py").write_text("changed")
    assert package_folder(tmp_path).digest != package.digest


def test_a_state_folder_never_becomes_code(tmp_path: Path) -> None:
    app_file(tmp_path, MINIMAL)
    (tmp_path / "master-keys.json").write_text("{}")

    with pytest.raises(AppFileError, match="is a state folder"):
        package_folder(tmp_path)


def test_the_child_reads_an_app_without_importing_it_here(tmp_path: Path) -> None:
    path = app_file(tmp_path, DEMO.read_text() + "\nprint('to the terminal')\n")

    child = start_synth(path, code=package_folder(tmp_path), region="eu-west-1", cache_folder=tmp_path / "kept")
    app = child.result()

    assert "an_app" not in sys.modules
    assert app.name == "auth-api-demo"
    assert app.routes == ("/no-auth", "/require-auth")
    assert "Transform" not in app.expanded
    assert app.dev_users[0].username == "demouser"
    assert list((tmp_path / "kept").glob("*.json"))


def test_the_childs_refusal_is_the_app_files(tmp_path: Path) -> None:
    path = app_file(tmp_path, "import nowhere_at_all\n")
    child = start_synth(path, code=package_folder(tmp_path), region="eu-west-1", cache_folder=tmp_path / "kept")

    with pytest.raises(AppFileError, match="No module named 'nowhere_at_all'"):
        child.result()


def test_an_app_that_ends_its_process_is_told_so(tmp_path: Path) -> None:
    path = app_file(tmp_path, "import os\nos._exit(7)\n")
    child = start_synth(path, code=package_folder(tmp_path), region="eu-west-1", cache_folder=tmp_path / "kept")

    with pytest.raises(AppFileError, match="exit status 7"):
        child.result()


def test_a_pool_is_safe_unless_told_otherwise() -> None:
    assert IdentityPool("p", clients=[]).allow_guests is False
    assert "ALLOW_USER_PASSWORD_AUTH" not in UserPool("u").client("c").auth_flows


GUARDED = """
from velvetrope.builder import Api, UserPool, allow, deny
users = UserPool("people")
api = Api("guarded", environment={"A": "b"})

@api.token_authorizer(header="X-Token", validation_expression="^[a-z]+$")
def doorman(event, context):
    return allow(event, "alice", context={"n": 1}) if event["authorizationToken"] == "open" else deny(event, "nobody")

@api.request_authorizer(headers=["X-Tenant"], query_strings=["q"], cache_seconds=60)
def clerk(event, context):
    raise Exception("Unauthorized")

@api.get("/me", authorization_type="COGNITO_USER_POOLS", user_pool=users)
def me():
    return {}

@api.get("/pets", authorization_type="COGNITO_USER_POOLS", user_pool=users, scopes=["pets/read"])
def pets():
    return {}

@api.get("/inside", authorization_type="CUSTOM", authorizer=doorman, api_key_required=True)
def inside():
    return {}

@api.post("/inside", authorization_type="CUSTOM", authorizer=clerk)
def more():
    return {}
"""


def test_routes_say_which_token_or_which_function_decides(tmp_path: Path) -> None:
    resources = sam_template(load_app(app_file(tmp_path, GUARDED)))["Resources"]

    events = resources["GuardedFunction"]["Properties"]["Events"]
    assert {name: event["Properties"]["Auth"] for name, event in events.items()} == {
        "GetMe": {"Authorizer": "PeopleUserPool"},
        "GetPets": {"Authorizer": "PeopleUserPool", "AuthorizationScopes": ["pets/read"]},
        "GetInside": {"Authorizer": "DoormanAuthorizer", "ApiKeyRequired": True},
        "PostInside": {"Authorizer": "ClerkAuthorizer"},
    }
    assert resources["GuardedApi"]["Properties"]["Auth"]["Authorizers"] == {
        "PeopleUserPool": {"UserPoolArn": {"Fn::GetAtt": ["PeopleUserPool", "Arn"]}},
        "DoormanAuthorizer": {
            "FunctionPayloadType": "TOKEN",
            "FunctionArn": {"Fn::GetAtt": ["DoormanFunction", "Arn"]},
            "Identity": {"ReauthorizeEvery": 0, "Header": "X-Token", "ValidationExpression": "^[a-z]+$"},
        },
        "ClerkAuthorizer": {
            "FunctionPayloadType": "REQUEST",
            "FunctionArn": {"Fn::GetAtt": ["ClerkFunction", "Arn"]},
            "Identity": {"ReauthorizeEvery": 60, "Headers": ["X-Tenant"], "QueryStrings": ["q"]},
        },
    }
    assert resources["DoormanFunction"]["Properties"]["Handler"] == "an_app.doorman"
    assert resources["ClerkFunction"]["Properties"]["Environment"] == {"Variables": {"A": "b"}}


def test_an_authorizer_answers_about_the_method_that_was_called(tmp_path: Path) -> None:
    doorman = load_app(app_file(tmp_path, GUARDED)).authorizers["doorman"]
    arn = "arn:aws:execute-api:us-west-2:111111111111:abc/latest/GET/inside"

    let_in = doorman({"authorizationToken": "open", "methodArn": arn}, None)
    refused = doorman({"authorizationToken": "x", "methodArn": arn}, None)

    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
    assert let_in["policyDocument"]["Statement"] == [statement]
    assert (let_in["principalId"], let_in["context"]) == ("alice", {"n": 1})
    assert refused["policyDocument"]["Statement"] == [{**statement, "Effect": "Deny"}]
    assert "context" not in refused


@pytest.mark.parametrize(
    ("access", "text"),
    [
        (
            "authorization_type='COGNITO_USER_POOLS'",
            "user_pool and authorization_type COGNITO_USER_POOLS need each other",
        ),
        ("user_pool=users", "user_pool and authorization_type COGNITO_USER_POOLS need each other"),
        ("scopes=['a']", "scopes are of a user pool's tokens"),
        ("authorization_type='CUSTOM'", "authorizer and authorization_type CUSTOM need each other"),
        (
            "authorization_type='AWS_IAM', authorizer=doorman",
            "authorizer and authorization_type CUSTOM need each other",
        ),
        ("authorization_type='JWT'", "authorization_type must be NONE, AWS_IAM, COGNITO_USER_POOLS or CUSTOM, not JWT"),
        (
            "authorization_type='COGNITO_USER_POOLS', user_pool=UserPool('other')",
            "GET /x asks the user pool 'other', which no variable of the module holds",
        ),
        (
            "authorization_type='CUSTOM', authorizer=api.token_authorizer()(print)",
            "GET /x asks an authorizer that no variable of the module holds",
        ),
    ],
)
def test_a_guard_that_would_guard_nothing_is_told(tmp_path: Path, access: str, text: str) -> None:
    file = app_file(tmp_path, GUARDED + f"\n@api.get('/x', {access})\ndef x():\n    return {{}}\n")

    with pytest.raises(AppFileError, match=text):
        load_app(file)


def test_answers_are_kept_for_an_hour_at_most_and_for_who_sends_the_same() -> None:
    api = Api("a")

    api.token_authorizer(cache_seconds=3600)
    for seconds in (-1, 3601):
        with pytest.raises(ValueError, match="cache_seconds is 0 to 3600"):
            api.token_authorizer(cache_seconds=seconds)
    with pytest.raises(ValueError, match="cache_seconds needs headers or query_strings"):
        api.request_authorizer(cache_seconds=1)


def test_machines_and_their_scopes_are_in_the_template_and_their_secrets_are_not(tmp_path: Path) -> None:
    text = """
from velvetrope.builder import Api, UserPool
users = UserPool("people", domain="people")
reports = users.resource_server("https://api.example.com", scopes={"read": "Read reports"})
users.machine("reporter", scopes=[reports.scope("read")])
api = Api("a")

@api.get("/x", authorization_type="COGNITO_USER_POOLS", user_pool=users, scopes=[reports.scope("read")])
def x():
    return {}
"""
    template = sam_template(load_app(app_file(tmp_path, text)))

    server = template["Resources"]["PeopleHttpsApiExampleComScopes"]
    machine = template["Resources"]["PeopleReporterClient"]
    assert server["Properties"]["Name"] == "https-api.example.com"
    assert server["Properties"]["Scopes"] == [{"ScopeName": "read", "ScopeDescription": "Read reports"}]
    assert machine["DependsOn"] == ["PeopleHttpsApiExampleComScopes"]
    assert machine["Properties"]["AllowedOAuthScopes"] == ["https://api.example.com/read"]
    assert machine["Properties"]["AllowedOAuthFlows"] == ["client_credentials"]
    assert template["Outputs"]["ReporterClientId"] == {"Value": {"Ref": "PeopleReporterClient"}}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("UserPool('p').machine('m', scopes=['a/b'])", "m: machines get their tokens at the pool's domain"),
        ("UserPool('p', domain='p').machine('m', scopes=['a/b'])", "m: p has no scope a/b"),
        ("UserPool('p', domain='p').machine('m', scopes=[])", "m: p has no scope for it"),
        ("UserPool('p').resource_server('a', scopes={})", "a has no scopes"),
        ("UserPool('p').resource_server('a', scopes={'b': ''}).scope('c')", "a has no scope c"),
    ],
)
def test_machines_that_could_never_get_a_token_are_refused_when_declared(declared: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        eval(declared, {"UserPool": UserPool})


def test_a_resource_server_is_declared_once() -> None:
    users = UserPool("p")
    users.resource_server("a", scopes={"b": "B"})

    with pytest.raises(ValueError, match="two resource servers a"):
        users.resource_server("a", scopes={"c": "C"})
