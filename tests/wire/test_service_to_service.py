"""The example `service-to-service` on a real server and a real PostgreSQL: let in, and refused when a right is gone."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from botocore.credentials import Credentials

from support.clients import aws_client, signed
from support.postgres import Postgres
from support.running import REPOSITORY, ROOT_KEY, RunningServer

EXAMPLE = REPOSITORY / "examples" / "service-to-service"


@dataclass
class Shop:
    """The example, running."""

    server: RunningServer
    postgres: Postgres

    def send(self, method: str, path: str, body: object = None) -> requests.Response:
        """A call of the orders API, signed as root."""
        data = b"" if body is None else json.dumps(body).encode()
        request = signed(self.server, Credentials(*ROOT_KEY), method=method, path=path, data=data, headers={})
        with requests.Session() as session:
            return session.send(request, timeout=30)

    def order(self, item: str = "rope", count: int = 1) -> requests.Response:
        return self.send("POST", "/orders", {"item": item, "count": count})

    def stock(self, item: str = "rope") -> Any:
        return self.postgres.query(f"SELECT count FROM stock WHERE item = '{item}'", database="shop")[0][0]

    def tells(self, sentence: str) -> bool:
        """Whether the owner's terminal says so, now or in a moment."""
        while sentence not in self.server.text:
            assert self.server.process.poll() is None
        return True

    @contextmanager
    def without(self, function: str, action: str | list[str]) -> Iterator[None]:
        """Take what one statement says away from a function's role for a while."""
        iam, functions = aws_client(self.server, "iam"), aws_client(self.server, "lambda")
        names = [f["FunctionName"] for f in functions.list_functions()["Functions"]]
        name = next(name for name in names if function in name)
        role = functions.get_function(FunctionName=name)["Configuration"]["Role"].rpartition("/")[2]
        [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = {"RoleName": role, "PolicyName": policy}
        document = iam.get_role_policy(**found)["PolicyDocument"]
        left = {**document, "Statement": [s for s in document["Statement"] if s["Action"] != action]}
        assert len(left["Statement"]) < len(document["Statement"])
        left["Statement"].append({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"})
        iam.put_role_policy(**found, PolicyDocument=json.dumps(left))
        try:
            yield
        finally:
            iam.put_role_policy(**found, PolicyDocument=json.dumps(document))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    words = {user: secrets.token_hex(16) for user in ("inventory_service", "orders_service")}
    postgres.execute(
        *(f"CREATE ROLE {user} LOGIN PASSWORD '{word}'" for user, word in words.items()), "CREATE DATABASE shop"
    )
    postgres.execute((EXAMPLE / "schema.sql").read_text(), database="shop")
    arguments = (
        *("dev", str(EXAMPLE / "app.py"), "--no-reload"),
        *("--database-door", f"postgresql://127.0.0.1:{postgres.port}", "--database-port", "0"),
        *("--database-passwords", str(postgres.make_password_file(folder / "passwords", words))),
    )
    with RunningServer(*arguments, state_folder=folder / "state") as server:
        yield Shop(server, postgres)


def test_the_owner_is_told_where_the_door_is(shop: Shop) -> None:
    assert re.search(r"Database +localhost:\d+  \(PostgreSQL, with IAM authentication\)", shop.server.text)


def test_an_order_goes_through_all_three_services(shop: Shop) -> None:
    before = shop.stock()

    placed = shop.order(count=2)

    assert placed.status_code == 201, placed.text
    number = placed.json()["order"]
    assert shop.stock() == before - 2
    while (shown := shop.send("GET", f"/orders/{number}").json())["status"] == "placed":
        assert shop.server.process.poll() is None
    assert shown == {"item": "rope", "count": 2, "status": "shipped"}


def test_what_is_sold_out_and_what_is_not_there_is_said(shop: Shop) -> None:
    assert (shop.order("velvet", 2).status_code, shop.stock("velvet")) == (409, 1)
    assert shop.send("GET", "/orders/999999").status_code == 404


def test_nobody_else_gets_in(shop: Shop) -> None:
    with requests.Session() as session:
        unsigned = session.post(shop.server.config["api_url"] + "/orders", json={"item": "rope", "count": 1})

    assert unsigned.status_code == 403


def test_without_the_right_to_invoke_inventory_an_order_is_refused_and_explained(shop: Shop) -> None:
    before = shop.stock()

    with shop.without("OrdersFunction", "lambda:InvokeFunction"):
        refused = shop.order()

    assert (refused.status_code, refused.json()) == (502, {"message": "inventory: AccessDeniedException"})
    assert shop.stock() == before
    assert shop.tells("lambda:InvokeFunction")
    assert shop.order().status_code == 201


def test_without_the_right_to_connect_the_database_is_closed_and_the_owner_is_told(shop: Shop) -> None:
    with shop.without("OrdersFunction", "rds-db:connect"):
        assert shop.send("GET", "/orders/1").status_code == 502
    assert shop.tells("rds-db:connect")
    assert shop.tells("dbuser:db-VELVETROPE/orders_service")
    assert shop.send("GET", "/orders/999999").status_code == 404


def test_without_the_right_to_receive_nothing_is_shipped_until_it_is_back(shop: Shop) -> None:
    functions = aws_client(shop.server, "lambda")
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    receiving = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]

    def result() -> str:
        return str(functions.get_event_source_mapping(UUID=mapping["UUID"])["LastProcessingResult"])

    with shop.without("ShippingFunction", receiving):
        first = shop.order().json()["order"]  # a poll that was under way may still get this one
        while "AccessDeniedException" not in result():
            assert shop.server.process.poll() is None
        second = shop.order().json()["order"]
        assert shop.send("GET", f"/orders/{second}").json()["status"] == "placed"

    for number in (first, second):
        while shop.send("GET", f"/orders/{number}").json()["status"] == "placed":
            assert shop.server.process.poll() is None


def test_a_function_that_a_queue_triggers_may_receive_from_no_other_queue(shop: Shop) -> None:
    iam, functions = aws_client(shop.server, "iam"), aws_client(shop.server, "lambda")
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    role = functions.get_function(FunctionName=mapping["FunctionArn"])["Configuration"]["Role"]
    own, other = mapping["EventSourceArn"], mapping["EventSourceArn"] + "-of-another"

    answer = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["sqs:ReceiveMessage"], ResourceArns=[own, other]
    )

    decided = {one["EvalResourceName"]: one["EvalDecision"] for one in answer["EvaluationResults"]}
    assert decided == {own: "allowed", other: "implicitDeny"}


def test_a_service_may_touch_nothing_that_is_another_s(shop: Shop) -> None:
    """The orders service's database user sees no stock, and the inventory service's sees no orders."""
    may = "SELECT has_table_privilege('{}', '{}', 'SELECT')"

    for user, table, expected in (
        ("orders_service", "stock", False),
        ("inventory_service", "orders", False),
        ("inventory_service", "stock", True),
    ):
        assert shop.postgres.query(may.format(user, table), database="shop") == [(expected,)]
