"""An app file whose routes ask a user pool and functions of its own, run as its author runs it."""

from collections.abc import Iterator

import pytest
import requests

from support.clients import aws_client
from support.running import RunningServer

_APP = """
from velvetrope.builder import Api, UserPool, allow, deny

users = UserPool("people", domain="machines")
reports_api = users.resource_server("https://api.example.com", scopes={"read": "Read", "write": "Write"})
reporter = users.machine("reporter", scopes=[reports_api.scope("read"), reports_api.scope("write")])
web = users.client("web", auth_flows=("ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"))
users.dev_user("alice", password="alicePASS123")
api = Api("guarded")

@api.token_authorizer(header="X-Token", validation_expression="^[a-z]+$")
def doorman(event, context):
    if event["authorizationToken"] == "stranger":
        raise Exception("Unauthorized")
    if event["authorizationToken"] == "broken":
        raise ValueError("a fault of the author's")
    return allow(event, "alice", context={"n": "1"}) if event["authorizationToken"] == "open" else deny(event, "nobody")

@api.get("/me", authorization_type="COGNITO_USER_POOLS", user_pool=users)
def me():
    return {"you": api.request.raw_event["requestContext"]["authorizer"]["claims"]["cognito:username"]}

@api.get(
    "/reports", authorization_type="COGNITO_USER_POOLS", user_pool=users, scopes=[reports_api.scope("read")]
)
def reports():
    claims = api.request.raw_event["requestContext"]["authorizer"]["claims"]
    return {"machine": claims["client_id"], "username": claims.get("username")}

@api.get("/inside", authorization_type="CUSTOM", authorizer=doorman)
def inside():
    return {"n": api.request.raw_event["requestContext"]["authorizer"]["n"]}
"""
_UNAUTHORIZED = (401, {"message": "Unauthorized"})


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "guarded_app.py").write_text(_APP)
    with RunningServer("dev", str(folder / "guarded_app.py"), state_folder=folder / "state") as server:
        yield server


def _get(server: RunningServer, path: str, headers: dict[str, str]) -> tuple[int, object]:
    response = requests.get(server.config["api_url"] + path, headers=headers)
    return response.status_code, response.json()


def test_a_token_of_the_pool_opens_its_route_and_nothing_else_does(dev: RunningServer) -> None:
    tokens = aws_client(dev, "cognito-idp").initiate_auth(
        ClientId=dev.config["user_pool_client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "alice", "PASSWORD": "alicePASS123"},
    )["AuthenticationResult"]

    assert _get(dev, "/me", {"Authorization": tokens["IdToken"]}) == (200, {"you": "alice"})
    for headers in ({}, {"Authorization": "nonsense"}, {"Authorization": tokens["AccessToken"]}):
        assert _get(dev, "/me", headers) == _UNAUTHORIZED


def test_the_apps_own_function_decides_and_every_other_answer_is_a_refusal(dev: RunningServer) -> None:
    assert _get(dev, "/inside", {"X-Token": "open"}) == (200, {"n": "1"})
    for headers in ({}, {"X-Token": "not by the expression!"}, {"X-Token": "stranger"}):
        assert _get(dev, "/inside", headers) == _UNAUTHORIZED
    assert _get(dev, "/inside", {"X-Token": "closed"})[0] == 403
    assert _get(dev, "/inside", {"X-Token": "broken"})[0] == 500


def test_a_machine_opens_the_route_of_its_scope_and_no_other(dev: RunningServer) -> None:
    admin, pool = aws_client(dev, "cognito-idp"), dev.config["user_pool_id"]
    clients = admin.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
    client_id = next(one["ClientId"] for one in clients if one["ClientName"] == "reporter")
    client = admin.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]

    def token(scope: str) -> str:
        answer = requests.post(
            f"{dev.url}/machines/oauth2/token",
            data={"grant_type": "client_credentials", "scope": f"https://api.example.com/{scope}"},
            auth=(client["ClientId"], client["ClientSecret"]),
        )
        return str(answer.json()["access_token"])

    assert _get(dev, "/reports", {"Authorization": token("read")}) == (
        200,
        {"machine": client["ClientId"], "username": None},
    )
    assert _get(dev, "/reports", {"Authorization": token("write")}) == _UNAUTHORIZED
    assert _get(dev, "/me", {"Authorization": token("read")}) == _UNAUTHORIZED
