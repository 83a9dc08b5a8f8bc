"""Orders: taken by one service, reserved by another, shipped by a third, and kept in PostgreSQL without a password."""

import json
import os

import boto3
from botocore.exceptions import ClientError
from shop import connect

from velvetrope.builder import Api, Database, Function, Queue

stock = Database("shop", user="inventory_service")
ledger = Database("shop", user="orders_service")
failed = Queue("failed-shipments")
shipments = Queue("shipments", dead_letter=failed, max_receive_count=3)

inventory = Function("inventory", uses=[stock])
shipping = Function("shipping", uses=[ledger])
api = Api("orders", uses=[inventory, shipments, ledger])


@inventory.handler
def reserve(event, context):
    """Only who may invoke this function reaches the stock; orders itself may not touch it."""
    with connect() as database:
        taken = database.execute(
            "UPDATE stock SET count = count - %(count)s WHERE item = %(item)s AND count >= %(count)s", event
        )
        return {"reserved": taken.rowcount == 1}


@api.post("/orders", authorization_type="AWS_IAM")
def place_order():
    order = {"item": str(api.request.json_body["item"]), "count": int(api.request.json_body["count"])}
    try:
        # Signed with the credentials of this function's own role, and judged by its policies.
        answer = boto3.client("lambda").invoke(FunctionName=os.environ["INVENTORY_FUNCTION"], Payload=json.dumps(order))
    except ClientError as refused:
        return {"message": f"inventory: {refused.response['Error']['Code']}"}, 502
    if not json.load(answer["Payload"])["reserved"]:
        return {"message": "sold out"}, 409
    with connect() as database:
        placed = database.execute(
            "INSERT INTO orders (item, count) VALUES (%(item)s, %(count)s) RETURNING id", order
        ).fetchone()
    boto3.client("sqs").send_message(QueueUrl=os.environ["SHIPMENTS_QUEUE_URL"], MessageBody=str(placed[0]))
    return {"order": placed[0]}, 201


@api.get("/orders/{number}", authorization_type="AWS_IAM")
def show_order(number: str):
    with connect() as database:
        found = database.execute("SELECT item, count, status FROM orders WHERE id = %s", [int(number)]).fetchone()
    if found is None:
        return {"message": "no such order"}, 404
    return {"item": found[0], "count": found[1], "status": found[2]}


@shipping.on_queue(shipments)
def ship(event, context):
    with connect() as database:
        for record in event["Records"]:
            database.execute("UPDATE orders SET status = 'shipped' WHERE id = %s", [int(record["body"])])
