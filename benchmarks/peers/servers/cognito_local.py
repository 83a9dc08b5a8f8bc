"""cognito-local, which has user pools and nothing else."""

import json

from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import UserPoolsOnly
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS"]

VERSION = "5.3.0"


def _aws(started: Started) -> Aws:
    return Aws(started.url, Credentials("local", "local"), lambda _api_id, _stage: "")


def _write_settings(started: Started) -> None:
    """Names that are names, as AWS has them by default; its own default is that a name is a mail address."""
    folder = started.state / ".cognito"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"UserPoolDefaults": {"UsernameAttributes": []}}))


PEERS = (
    Peer(
        name=f"cognito-local {VERSION}",
        package=Package("cognito-local", (f"cognito-local@{VERSION}",), registry="npm"),
        documented='"Offline" user pools for development; its table of features says what is partial. Credentials are '
        "not looked at. No SRP.",
        command=lambda started: ("node", str(started.home / "node_modules/cognito-local/lib/bin/start.js")),
        prepare=_write_settings,
        environment=lambda started: {"HOST": "127.0.0.1", "PORT": str(started.port)},
        house=lambda started: UserPoolsOnly(_aws(started)),
        first_call=lambda started: _aws(started).client("cognito-idp").create_user_pool(PoolName="first"),
    ),
)
