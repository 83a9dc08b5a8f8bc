"""serverless-offline: the gateway before a Serverless Framework service, by the framework's free fork `osls`."""

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

VERSION, FRAMEWORK = "14.8.2", "4.3.1"
KEY = "the-key-of-the-service-of-enough-characters"
SERVICE = f"""
service: doors
frameworkVersion: "4"
plugins: [serverless-offline]
provider:
  name: aws
  runtime: nodejs20.x
  region: us-east-1
  apiGateway:
    apiKeys: [{{name: doors, value: {KEY}}}]
    usagePlan:
      quota: {{limit: 3, period: MONTH}}
      throttle: {{rateLimit: 1, burstLimit: 3}}
functions:
  open: {{handler: handler.answer, events: [{{http: {{path: open, method: get}}}}]}}
  signed:
    handler: handler.answer
    events:
      - http: {{path: signed, method: get, authorizer: aws_iam}}
      - http: {{path: signed, method: post, authorizer: aws_iam}}
  keyed: {{handler: handler.answer, events: [{{http: {{path: keyed, method: get, private: true}}}}]}}
  pool:
    handler: handler.answer
    events:
      - http:
          path: pool
          method: get
          authorizer:
            type: COGNITO_USER_POOLS
            name: people
            arn: arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Doors
"""
HANDLER = 'exports.answer = async () => ({statusCode: 200, body: JSON.stringify({message: "let in"})})\n'


class _OfflineGateway(Gateway):
    """Its one API key is of a plan with a rate, a burst of three and a quota of three, as the service declares."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, route: str) -> str:
        return f"{self._url}/dev{route}"

    def caller(self) -> Credentials:
        return Credentials("AKIAIOSFODNN7EXAMPLE", "any-secret-will-do-since-nobody-looks-at-it")

    def key(self, **_limits: Any) -> str:
        return KEY

    def token(self) -> str:
        return pool_token("us-east-1_Doors")

    def expired_token(self) -> str:
        return pool_token("us-east-1_Doors", timedelta(hours=2))

    def another_pools_token(self) -> str:
        return pool_token("us-east-1_Other")


def _write_service(started: Started) -> None:
    (started.state / "serverless.yml").write_text(SERVICE)
    (started.state / "handler.js").write_text(HANDLER)
    (started.state / "package.json").write_text('{"private": true}')
    (started.state / "node_modules").symlink_to(started.home / "node_modules")


PEERS = (
    Peer(
        name=f"serverless-offline {VERSION}",
        package=Package("serverless-offline", (f"osls@{FRAMEWORK}", f"serverless-offline@{VERSION}"), registry="npm"),
        documented="Checks API keys and runs custom authorizers; AWS_IAM and user pools' authorizers are said to be "
        "unsupported in its log, and such routes are open. Plans are not counted.",
        command=lambda started: (
            *("node", "node_modules/osls/bin/serverless.js", "offline", "--host", "127.0.0.1"),
            *("--httpPort", str(started.port), "--lambdaPort", "0", "--albPort", "0", "--websocketPort", "0"),
        ),
        prepare=_write_service,
        environment=lambda started: {"HOME": str(started.state), "SLS_TELEMETRY_DISABLED": "1"},
        house=lambda started: GatewayOnly(_OfflineGateway(started.url)),
        first_call=lambda started: requests.get(f"{started.url}/dev/open", timeout=60).raise_for_status(),
    ),
)
