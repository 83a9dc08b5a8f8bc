"""A quota on a real server that is killed, and one that is stopped: nobody gets a request more for it."""

import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from support.clients import aws_client
from support.days import in_one_day
from support.running import RunningServer

LIMIT = 30
KEY = "a-key-value-of-enough-characters"


def make_api(server: RunningServer) -> str:
    """An API of one route behind a quota; its path on whichever server serves it."""
    gateway = aws_client(server, "apigateway")
    answer = {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}}
    mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}, "responses": answer}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "metered"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
        "paths": {"/": {"get": {"security": [{"key": []}], "x-amazon-apigateway-integration": mock}}},
    }
    api_id = gateway.import_rest_api(body=json.dumps(document))["id"]
    gateway.create_deployment(restApiId=api_id, stageName="live")
    plan = gateway.create_usage_plan(
        name="few", apiStages=[{"apiId": api_id, "stage": "live"}], quota={"limit": LIMIT, "period": "MONTH"}
    )
    key = gateway.create_api_key(name="key", value=KEY, enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return f"/_api/{api_id}/live/"


def calls(server: RunningServer, path: str, count: int) -> int:
    """How many of `count` calls were let through; the others are over the quota."""
    answers = [requests.get(server.url + path, headers={"x-api-key": KEY}) for _ in range(count)]
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert {answer.text for answer in answers if answer.status_code == 429} <= {'{"message":"Limit Exceeded"}'}
    return sum(answer.status_code == 200 for answer in answers)


def used_and_remaining(server: RunningServer) -> tuple[int, int]:
    """What GetUsage says of this month."""
    gateway = aws_client(server, "apigateway")
    plans = gateway.get_usage_plans()
    [plan] = plans["items"]
    today = parsedate_to_datetime(plans["ResponseMetadata"]["HTTPHeaders"]["date"]).date()
    start, end = today.replace(day=1).isoformat(), today.isoformat()
    [days] = gateway.get_usage(usagePlanId=plan["id"], startDate=start, endDate=end)["items"].values()
    return sum(used for used, _ in days), days[-1][1]


class Lived(NamedTuple):
    """What a quota's users saw of a server that was killed, and started, and stopped, and started."""

    before: int
    used_after_the_kill: tuple[int, int]
    killed: int
    rest: int
    at_the_end: tuple[int, int]


def live(folder: Path) -> Lived:
    with RunningServer("serve", state_folder=folder) as server:
        path = make_api(server)
        before = calls(server, path, 8)
        server.process.kill()
        server.process.wait(60)
    with RunningServer("serve", state_folder=folder) as server:
        after_the_kill = used_and_remaining(server)
        killed = calls(server, path, 7)
        server.stop()
    with RunningServer("serve", state_folder=folder) as server:
        rest = calls(server, path, LIMIT)
        return Lived(before, after_the_kill, killed, rest, used_and_remaining(server))


def test_a_quota_survives_being_killed_and_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    before, (used, remaining), killed, rest, at_the_end = in_one_day(lambda: live(tmp_path_factory.mktemp("state")))

    # What the killed server had taken and not spent is lost: a slice of this quota is at most three requests.
    assert (before, killed) == (8, 7)
    assert LIMIT - 3 <= before + killed + rest <= LIMIT
    # And GetUsage says of it what the quota goes by: that it is used.
    assert (used, remaining) == (LIMIT - (killed + rest), killed + rest)
    assert at_the_end == (LIMIT, 0)
