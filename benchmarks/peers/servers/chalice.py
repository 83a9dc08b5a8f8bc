"""`chalice local`: the gateway before a Chalice app's routes."""

import json
from datetime import timedelta
from typing import Any

import requests
from botocore.credentials import Credentials

from benchmarks.peers.doors import GatewayOnly
from benchmarks.peers.doors.gateway import Gateway
from benchmarks.peers.forgeries import pool_token
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS"]

VERSION = "1.34.0"
APP = """
from chalice import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer

app = Chalice(app_name="doors")
people = CognitoUserPoolAuthorizer(
    "people", provider_arns=["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Doors"]
)

@app.route("/signed", methods=["GET", "POST"], authorizer=IAMAuthorizer())
def signed():
    return {"message": "let in"}

@app.route("/keyed", api_key_required=True)
def keyed():
    return {"message": "let in"}

@app.route("/pool", authorizer=people)
def pool():
    return {"message": "let in"}
"""


class _ChaliceGateway(Gateway):
    """Whoever has a key or credentials has made them up: there is nobody here to give any."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, route: str) -> str:
        return self._url + route

    def caller(self) -> Credentials:
        return Credentials("AKIAIOSFODNN7EXAMPLE", "any-secret-will-do-since-nobody-looks-at-it")

    def key(self, **limits: Any) -> str:
        return super().key(**limits) if limits else "any-key-will-do-since-nobody-looks-at-it"

    def token(self) -> str:
        return pool_token("us-east-1_Doors")

    def expired_token(self) -> str:
        return pool_token("us-east-1_Doors", timedelta(hours=2))

    def another_pools_token(self) -> str:
        return pool_token("us-east-1_Other")


def _write_app(started: Started) -> None:
    (started.state / ".chalice").mkdir()
    (started.state / ".chalice/config.json").write_text(json.dumps({"version": "2.0", "app_name": "doors"}))
    (started.state / "app.py").write_text(APP)


PEERS = (
    Peer(
        name=f"chalice local {VERSION}",
        package=Package("chalice", (f"chalice=={VERSION}",)),
        documented="Local mode lets a request through, with a warning, where the authorizer is not of its own kind; "
        "tokens of a user pool are read and not verified.",
        command=lambda started: (
            *(str(started.home / "bin/chalice"), "local"),
            *("--host", "127.0.0.1", "--port", str(started.port), "--no-autoreload"),
        ),
        prepare=_write_app,
        house=lambda started: GatewayOnly(_ChaliceGateway(started.url)),
        first_call=lambda started: requests.get(f"{started.url}/keyed", timeout=60).raise_for_status(),
    ),
)
