"""Two servers on one PostgreSQL: what can be had once is had once, and what one of them takes back the other refuses.

Clients of both race through a barrier, as near to each other as threads get. "Soon" is waited for by asking until it is
so: the nodes hear of each other's commits, and how long that takes is the machine's affair.
"""

import functools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import requests
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from support.clients import aws_client, new_user
from support.days import in_one_day
from support.mailbox import link_in, mailbox
from support.postgres import Postgres
from support.running import ROOT_KEY, RunningServer, StartFailed
from support.stores import PostgresStores
from support.zips import make_zip
from velvetrope.cli.main import _cli

T = TypeVar("T")
Nodes = tuple[RunningServer, RunningServer]

PASSWORD, OTHER_PASSWORD = "Correct-horse-1", "Another-horse-1"
RACERS = 8


@pytest.fixture(scope="module")
def store(postgres_stores: PostgresStores) -> Iterator[dict[str, str]]:
    """The environment of a node."""
    with postgres_stores.bare() as url:
        yield {"VELVETROPE_STORE_URL": url}


@pytest.fixture(scope="module")
def nodes(store: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    first, second = (tmp_path_factory.mktemp(name) / "state" for name in ("first", "second"))
    with RunningServer("serve", state_folder=first, environment=store) as one:
        share_keys(first, second)
        with RunningServer("serve", state_folder=second, environment=store) as other:
            yield one, other


@functools.cache
def client(node: RunningServer, service: str) -> Any:
    """boto3 takes a tenth of a second to make one."""
    return aws_client(node, service)


def share_keys(first: Path, second: Path) -> None:
    second.mkdir(mode=0o700)
    (second / "master-keys.json").write_bytes((first / "master-keys.json").read_bytes())
    (second / "master-keys.json").chmod(0o600)


def race(nodes: Nodes, call: Callable[[RunningServer, int], T]) -> list[T | str]:
    """What `RACERS` calls at once, half of them on each node, answered; of an error its code."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> T | str:
        start.wait(30)
        try:
            return call(nodes[number % 2], number)
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(RACERS) as threads:
        return list(threads.map(run, range(RACERS)))


def soon(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it never became so"


def code_of(call: Callable[[], object]) -> str:
    """The code of the error that `call` ends with; empty where it does not."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


# People


@pytest.fixture(scope="module")
def pool(nodes: Nodes) -> dict[str, str]:
    admin = client(nodes[0], "cognito-idp")
    pool_id = admin.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
    web = admin.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="web",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
    )["UserPoolClient"]
    return {"pool": pool_id, "client": web["ClientId"]}


def make_user(node: RunningServer, pool: dict[str, str], name: str) -> None:
    admin = client(node, "cognito-idp")
    admin.admin_create_user(UserPoolId=pool["pool"], Username=name, MessageAction="SUPPRESS")
    admin.admin_set_user_password(UserPoolId=pool["pool"], Username=name, Password=PASSWORD, Permanent=True)


def sign_in(node: RunningServer, pool: dict[str, str], name: str) -> dict[str, Any]:
    answer: dict[str, Any] = client(node, "cognito-idp").initiate_auth(
        ClientId=pool["client"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    return answer


def test_of_racing_sign_ups_of_one_name_one_wins(nodes: Nodes, pool: dict[str, str]) -> None:
    def sign_up(node: RunningServer, number: int) -> str:
        answer = client(node, "cognito-idp").sign_up(
            ClientId=pool["client"],
            Username="anna",
            Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": f"anna{number}@people.example"}],
        )
        return str(answer["UserSub"])

    answers = race(nodes, sign_up)

    subs = {
        node.port: client(node, "cognito-idp").admin_get_user(UserPoolId=pool["pool"], Username="anna")
        for node in nodes
    }
    [sub] = {
        attribute["Value"]
        for user in subs.values()
        for attribute in user["UserAttributes"]
        if attribute["Name"] == "sub"
    }
    assert sorted(answers) == sorted([sub, *["UsernameExistsException"] * (RACERS - 1)])


def test_a_code_from_one_node_is_good_once_on_both(nodes: Nodes, pool: dict[str, str]) -> None:
    client(nodes[0], "cognito-idp").sign_up(
        ClientId=pool["client"],
        Username="ben",
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": "ben@people.example"}],
    )
    shown = mailbox(nodes[1], "--to", "ben@people.example", "--limit", "1").stdout
    code = re.findall(r"\b[0-9]{6}\b", shown)[-1]

    def confirm(node: RunningServer, _number: int) -> str:
        client(node, "cognito-idp").confirm_sign_up(ClientId=pool["client"], Username="ben", ConfirmationCode=code)
        return "confirmed"

    answers = race(nodes, confirm)

    assert answers.count("confirmed") == 1
    assert set(answers) <= {"confirmed", "ExpiredCodeException", "NotAuthorizedException", "CodeMismatchException"}
    assert "AccessToken" in sign_in(nodes[1], pool, "ben")["AuthenticationResult"]


def test_a_link_to_the_mailbox_opens_once_on_whichever_node(nodes: Nodes) -> None:
    link = urlsplit(link_in(mailbox(nodes[0])))
    path = f"{link.path}?{link.query}"

    def open_link(node: RunningServer, _number: int) -> str:
        answer = requests.get(node.url + path, allow_redirects=False, timeout=30)
        return answer.cookies.values()[0] if answer.status_code == 303 else str(answer.status_code)

    answers = race(nodes, open_link)

    [session] = [answer for answer in answers if answer != "403"]
    assert answers.count("403") == RACERS - 1
    for node in nodes:
        name = f"velvetrope-owner-{node.port}"
        page = node.url + link.path
        assert requests.get(page, cookies={name: session}, timeout=30).status_code == 200
        assert requests.get(page, cookies={name: session[::-1]}, timeout=30).status_code == 403
        assert requests.get(page, cookies={name: link.query.partition("=")[2]}, timeout=30).status_code == 403


def test_of_racing_refreshes_one_wins_and_nothing_is_left_of_the_family(nodes: Nodes, pool: dict[str, str]) -> None:
    make_user(nodes[0], pool, "carl")
    token = sign_in(nodes[0], pool, "carl")["AuthenticationResult"]["RefreshToken"]

    def refresh(node: RunningServer, _number: int) -> str:
        answer = client(node, "cognito-idp").get_tokens_from_refresh_token(ClientId=pool["client"], RefreshToken=token)
        return "new:" + str(answer["AuthenticationResult"]["RefreshToken"])

    answers = race(nodes, refresh)

    [new] = [answer.removeprefix("new:") for answer in answers if answer.startswith("new:")]
    assert set(answers) - {f"new:{new}"} <= {"RefreshTokenReuseException", "NotAuthorizedException"}
    for node in nodes:
        again = client(node, "cognito-idp")
        refused = code_of(lambda: again.get_tokens_from_refresh_token(ClientId=pool["client"], RefreshToken=new))  # noqa: B023
        assert refused == "NotAuthorizedException"


def test_a_challenge_is_answered_once_on_whichever_node(nodes: Nodes, pool: dict[str, str]) -> None:
    client(nodes[0], "cognito-idp").admin_create_user(
        UserPoolId=pool["pool"], Username="dora", TemporaryPassword=PASSWORD, MessageAction="SUPPRESS"
    )
    session = sign_in(nodes[0], pool, "dora")["Session"]

    def answer(node: RunningServer, number: int) -> str:
        client(node, "cognito-idp").respond_to_auth_challenge(
            ClientId=pool["client"],
            ChallengeName="NEW_PASSWORD_REQUIRED",
            Session=session,
            ChallengeResponses={"USERNAME": "dora", "NEW_PASSWORD": f"{OTHER_PASSWORD}{number}"},
        )
        return f"in with {number}"

    answers = race(nodes, answer)

    [winner] = [given for given in answers if given.startswith("in with")]
    assert set(answers) == {winner, "NotAuthorizedException"}


def test_who_is_disabled_or_signed_out_on_one_node_is_so_on_the_other(nodes: Nodes, pool: dict[str, str]) -> None:
    make_user(nodes[0], pool, "emil")
    tokens = sign_in(nodes[1], pool, "emil")["AuthenticationResult"]
    admin, people = client(nodes[0], "cognito-idp"), client(nodes[1], "cognito-idp")
    assert people.get_user(AccessToken=tokens["AccessToken"])["Username"] == "emil"

    admin.admin_user_global_sign_out(UserPoolId=pool["pool"], Username="emil")
    assert code_of(lambda: people.get_user(AccessToken=tokens["AccessToken"])) == "NotAuthorizedException"

    admin.admin_disable_user(UserPoolId=pool["pool"], Username="emil")
    assert code_of(lambda: sign_in(nodes[1], pool, "emil")) == "NotAuthorizedException"


def test_a_flow_that_a_client_may_not_use_any_more_is_refused_on_the_other_node(
    nodes: Nodes, pool: dict[str, str]
) -> None:
    make_user(nodes[0], pool, "fritz")
    admin = client(nodes[0], "cognito-idp")
    made = admin.create_user_pool_client(
        UserPoolId=pool["pool"], ClientName="short", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    short = {**pool, "client": made}
    assert "AuthenticationResult" in sign_in(nodes[1], short, "fritz")

    admin.update_user_pool_client(
        UserPoolId=pool["pool"], ClientId=made, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )

    soon(lambda: code_of(lambda: sign_in(nodes[1], short, "fritz")) == "InvalidParameterException")


# Names


def test_a_host_name_has_one_owner_whichever_service_and_node_it_is_asked_of(
    nodes: Nodes, pool: dict[str, str]
) -> None:
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    pools = [
        client(nodes[0], "cognito-idp").create_user_pool(PoolName=f"named {number}")["UserPool"]["Id"]
        for number in range(RACERS // 2)
    ]

    def take(node: RunningServer, number: int) -> str:
        if number < RACERS // 2:
            client(node, "cognito-idp").create_user_pool_domain(
                UserPoolId=pools[number], Domain="auth.one.example", CustomDomainConfig={"CertificateArn": certificate}
            )
        else:
            client(node, "apigateway").create_domain_name(
                domainName="auth.one.example",
                regionalCertificateArn=certificate,
                endpointConfiguration={"types": ["REGIONAL"]},
            )
        return "taken"

    answers = race(nodes, take)

    assert answers.count("taken") == 1
    assert set(answers) - {"taken"} <= {"InvalidParameterException", "ConflictException", "BadRequestException"}


def test_of_racing_keys_for_one_alias_one_gets_it(nodes: Nodes) -> None:
    keys = [client(nodes[0], "kms").create_key()["KeyMetadata"]["KeyId"] for _ in range(RACERS)]

    def name(node: RunningServer, number: int) -> str:
        client(node, "kms").create_alias(AliasName="alias/one", TargetKeyId=keys[number])
        return str(keys[number])

    answers = race(nodes, name)

    [winner] = set(answers) - {"AlreadyExistsException"}
    assert answers.count("AlreadyExistsException") == RACERS - 1
    for node in nodes:
        assert client(node, "kms").describe_key(KeyId="alias/one")["KeyMetadata"]["KeyId"] == winner


# Keys, policies, APIs


def test_a_key_that_is_disabled_on_one_node_is_refused_by_the_other(nodes: Nodes) -> None:
    credentials = new_user(nodes[0], "gina", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    queues = aws_client(nodes[1], "sqs", credentials)
    soon(lambda: code_of(queues.list_queues) == "")

    client(nodes[0], "iam").update_access_key(UserName="gina", AccessKeyId=credentials.access_key, Status="Inactive")

    soon(lambda: code_of(queues.list_queues) == "InvalidClientTokenId")


def test_a_policy_that_is_taken_back_on_one_node_lets_nobody_in_on_the_other(nodes: Nodes) -> None:
    credentials = new_user(nodes[0], "hugo", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    queues = aws_client(nodes[1], "sqs", credentials)
    soon(lambda: code_of(queues.list_queues) == "")

    client(nodes[0], "iam").delete_user_policy(UserName="hugo", PolicyName="given")

    soon(lambda: "AccessDenied" in code_of(queues.list_queues))


def make_api(node: RunningServer, answer: str) -> dict[str, Any]:
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": answer}}},
    }
    return {
        "openapi": "3.0.1",
        "info": {"title": "shared"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
        "paths": {"/": {"get": {"security": [{"key": []}], "x-amazon-apigateway-integration": mock}}},
    }


def deploy(node: RunningServer, **plan: Any) -> tuple[Any, dict[str, Any], str]:
    """API Gateway on that node, the API's key, and its path, behind a usage plan."""
    gateway = client(node, "apigateway")
    api_id = gateway.import_rest_api(body=json.dumps(make_api(node, '"first"')))["id"]
    gateway.create_deployment(restApiId=api_id, stageName="live")
    made = gateway.create_usage_plan(name=api_id, apiStages=[{"apiId": api_id, "stage": "live"}], **plan)
    key = gateway.create_api_key(name=api_id, enabled=True)
    gateway.create_usage_plan_key(usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return gateway, key, f"/_api/{api_id}/live/"


def status(node: RunningServer, path: str, key: dict[str, Any]) -> int:
    return requests.get(node.url + path, headers={"x-api-key": key["value"]}, timeout=30).status_code


def test_a_stage_and_its_keys_are_what_either_node_made_them(nodes: Nodes) -> None:
    gateway, key, path = deploy(nodes[0])
    api_id = path.split("/")[2]
    soon(lambda: status(nodes[1], path, key) == 200)

    gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=json.dumps(make_api(nodes[0], '"second"')))
    gateway.create_deployment(restApiId=api_id, stageName="live")
    soon(lambda: requests.get(nodes[1].url + path, headers={"x-api-key": key["value"]}).text == '"second"')

    gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    soon(lambda: status(nodes[1], path, key) == 403)

    gateway.delete_stage(restApiId=api_id, stageName="live")
    soon(lambda: requests.get(nodes[1].url + path, timeout=30).text == '{"message":"Forbidden"}')


def test_a_quota_is_one_for_both_nodes(nodes: Nodes) -> None:
    def call() -> list[int | str]:
        _gateway, key, path = deploy(nodes[0], quota={"limit": 12, "period": "MONTH"})
        soon(lambda: status(nodes[1], path, {"value": "no such key"}) == 403)
        return [code for _ in range(4) for code in race(nodes, lambda node, _: status(node, path, key))]

    answers = in_one_day(call)

    assert set(answers) == {200, 429}
    assert answers.count(200) == 12


def test_a_burst_is_one_for_both_nodes(nodes: Nodes) -> None:
    """A rate so small that nothing comes back while the test runs."""
    _gateway, key, path = deploy(nodes[0], throttle={"rateLimit": 0.0001, "burstLimit": 6})
    soon(lambda: status(nodes[1], path, {"value": "no such key"}) == 403)

    answers = [status_code for _ in range(3) for status_code in race(nodes, lambda node, _: status(node, path, key))]

    assert set(answers) == {200, 429}
    assert answers.count(200) <= 6


# Queues and functions


def test_a_message_has_one_receiver_on_whichever_node(nodes: Nodes) -> None:
    url = client(nodes[0], "sqs").create_queue(QueueName="shared")["QueueUrl"]
    for number in range(20):
        client(nodes[number % 2], "sqs").send_message(QueueUrl=url, MessageBody=str(number))

    def receive(node: RunningServer, _number: int) -> list[str]:
        answer = client(node, "sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=5)
        return [message["Body"] for message in answer.get("Messages", [])]

    received = [body for bodies in race(nodes, receive) for body in bodies]

    assert len(received) == len(set(received))
    assert 5 <= len(received) <= 20


def zipped(source: str) -> bytes:
    return make_zip({"app.py": source})


def make_function(node: RunningServer, name: str, source: str, **settings: Any) -> Any:
    """Lambda on that node, which has a function of that name."""
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = client(node, "iam").create_role(
        RoleName=f"runs-{name}",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )["Role"]["Arn"]
    made = client(node, "lambda")
    made.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": zipped(source)},
        **{"Timeout": 30, **settings},
    )
    return made


def test_a_function_runs_on_a_node_that_never_saw_its_code(nodes: Nodes) -> None:
    made = make_function(nodes[0], "shared", "def handler(event, context): return 'first'")
    other = client(nodes[1], "lambda")

    def says() -> object:
        return json.loads(other.invoke(FunctionName="shared")["Payload"].read())

    assert says() == "first"

    made.update_function_code(FunctionName="shared", ZipFile=zipped("def handler(event, context): return 'second'"))
    soon(lambda: says() == "second")

    made.delete_function(FunctionName="shared")
    soon(lambda: code_of(says) == "ResourceNotFoundException")


SLOW = """
import time

def handler(event, context):
    begun = time.time()
    time.sleep(0.2)
    return [begun, time.time()]
"""


def test_of_a_function_no_more_runs_at_once_than_is_reserved_on_both_nodes_together(nodes: Nodes) -> None:
    make_function(nodes[0], "scarce", SLOW)
    client(nodes[0], "lambda").put_function_concurrency(FunctionName="scarce", ReservedConcurrentExecutions=2)

    def run(node: RunningServer, _number: int) -> list[float]:
        answer = client(node, "lambda").invoke(FunctionName="scarce")
        assert "FunctionError" not in answer
        ran: list[float] = json.loads(answer["Payload"].read())
        return ran

    soon(lambda: client(nodes[1], "lambda").get_function_concurrency(FunctionName="scarce") is not None)
    answers = [answer for _ in range(3) for answer in race(nodes, run)]

    ran = [answer for answer in answers if isinstance(answer, list)]
    assert {answer for answer in answers if isinstance(answer, str)} <= {"TooManyRequestsException"}
    assert ran
    assert max(sum(begun <= at < ended for begun, ended in ran) for at, _ in ran) <= 2
    # When nothing runs any more, either node may.
    for node in nodes:
        soon(lambda: code_of(lambda: run(node, 0)) == "")  # noqa: B023


# Logs


def read_logs(node: RunningServer, *arguments: str) -> Result:
    """`velvetrope logs`, as the owner calls it."""
    return CliRunner().invoke(
        _cli,
        ["logs", *arguments, "--state-folder", str(node.state_folder)],
        env={"VELVETROPE_ROOT_ACCESS_KEY_ID": ROOT_KEY[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ROOT_KEY[1]},
    )


def test_what_a_function_printed_on_one_node_is_read_on_the_other_by_those_who_may(nodes: Nodes) -> None:
    made = make_function(nodes[0], "talkative", "def handler(event, context): print('said by', event['who'])")
    ids = {}
    for node, who in zip(nodes, ("first", "second"), strict=True):
        answer = client(node, "lambda").invoke(FunctionName="talkative", Payload=json.dumps({"who": who}).encode())
        ids[who] = answer["ResponseMetadata"]["RequestId"]

    for node in nodes:
        soon(lambda: all(f"said by {who}" in read_logs(node, "talkative").stdout for who in ids))  # noqa: B023
        for who, request_id in ids.items():
            of_request = read_logs(node, "talkative", "--request-id", request_id).stdout
            assert f"said by {who}" in of_request
            assert f"REPORT RequestId: {request_id}" in of_request
    group = "/aws/lambda/talkative"
    streams = [
        {
            stream["logStreamName"]
            for stream in client(node, "logs").describe_log_streams(logGroupName=group)["logStreams"]
        }
        for node in nodes
    ]
    assert streams[0] == streams[1]
    assert len(streams[0]) == 2, "one of each node's sandbox"

    credentials = new_user(nodes[0], "jana", {"Effect": "Allow", "Action": "logs:Describe*", "Resource": "*"})
    outsider = aws_client(nodes[1], "logs", credentials)
    soon(lambda: code_of(outsider.describe_log_groups) == "")
    assert code_of(lambda: outsider.filter_log_events(logGroupName=group)) == "AccessDeniedException"

    client(nodes[1], "logs").delete_log_group(logGroupName=group)
    assert code_of(lambda: client(nodes[0], "logs").filter_log_events(logGroupName=group)) == (
        "ResourceNotFoundException"
    )
    made.delete_function(FunctionName="talkative")


# Being told why


def explain(node: RunningServer, *arguments: str, key: tuple[str, str] = ROOT_KEY) -> Result:
    """`velvetrope explain`, as the owner calls it."""
    return CliRunner().invoke(
        _cli,
        ["explain", *arguments, "--state-folder", str(node.state_folder)],
        env={"VELVETROPE_ROOT_ACCESS_KEY_ID": key[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": key[1]},
    )


def test_what_one_node_refused_the_other_explains_to_the_owner_and_to_nobody_else(nodes: Nodes) -> None:
    _gateway, _key, path = deploy(nodes[0])
    refused = requests.get(nodes[0].url + path, headers={"x-api-key": "a-guessed-key-value-9d1c"}, timeout=30)
    request_id = refused.headers["x-amzn-RequestId"]
    nobody = new_user(nodes[0], "ilse", {"Effect": "Allow", "Action": "*", "Resource": "*"})

    soon(lambda: explain(nodes[1], request_id).exit_code == 0)

    told = explain(nodes[1], request_id).stdout
    assert f"GET {path}  403  refused" in told
    assert "✗ api key" in told
    assert "a-guessed-key-value-9d1c" not in told
    assert request_id in explain(nodes[1]).stdout
    stranger = explain(nodes[1], request_id, key=(nobody.access_key, nobody.secret_key))
    assert stranger.exit_code == 1
    assert request_id not in stranger.output
    for page in ("decisions", "decisions/kept"):
        assert requests.get(f"{nodes[1].url}/_velvetrope/{page}?request_id={request_id}", timeout=30).status_code == 403


def test_a_refusal_outlives_its_node(store: dict[str, str], nodes: Nodes, tmp_path: Path) -> None:
    share_keys(nodes[0].state_folder, tmp_path / "state")
    with RunningServer("serve", state_folder=tmp_path / "state", environment=store) as third:
        request_id = requests.get(third.url + "/_api/nobodys/live/", timeout=30).headers["x-amzn-RequestId"]
        third.stop()

    assert explain(nodes[0], request_id).exit_code == 0


# A database that is away


def test_without_its_database_a_node_lets_nobody_in_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with Postgres(by_socket=True) as postgres:
        postgres.execute("CREATE DATABASE store")
        store = {"VELVETROPE_STORE_URL": postgres.url("store")}
        with RunningServer("serve", state_folder=tmp_path / "state", environment=store) as node:
            _gateway, key, path = deploy(node)
            assert status(node, path, key) == 200

            with postgres.away():
                soon(lambda: status(node, path, key) == 500)
                body = requests.get(node.url + path, headers={"x-api-key": key["value"]}, timeout=30).text

            soon(lambda: status(node, path, key) == 200)
            assert "postgres" not in body.lower()


# Starting


def test_a_node_with_other_master_keys_is_refused(nodes: Nodes, store: dict[str, str], tmp_path: Path) -> None:
    with (
        pytest.raises(StartFailed, match=r"sealed by master keys that this state folder does not have"),
        RunningServer("serve", state_folder=tmp_path / "state", environment=store),
    ):
        pass

    assert client(nodes[0], "cognito-idp").list_user_pools(MaxResults=1)["UserPools"]


def test_a_node_of_another_region_is_refused(nodes: Nodes, store: dict[str, str], tmp_path: Path) -> None:
    share_keys(nodes[0].state_folder, tmp_path / "state")

    with (
        pytest.raises(StartFailed, match=r"Start with --account-id 123456789012 --region us-west-2, or be account"),
        RunningServer("serve", "--region", "eu-west-1", state_folder=tmp_path / "state", environment=store),
    ):
        pass

    assert not (tmp_path / "state" / "connection.json").exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///elsewhere.db", r"VELVETROPE_STORE_URL is a PostgreSQL"),
        ("postgresql://me:hidden@127.0.0.1:1/none", r"PostgreSQL on 127\.0\.0\.1, database none: connection failed"),
    ],
    ids=["another kind", "nobody there"],
)
def test_a_store_that_cannot_be_used_is_refused_by_name(tmp_path: Path, url: str, why: str) -> None:
    with (
        pytest.raises(StartFailed, match=why) as refused,
        RunningServer("serve", state_folder=tmp_path / "state", environment={"VELVETROPE_STORE_URL": url}),
    ):
        pass

    assert "hidden" not in str(refused.value)
