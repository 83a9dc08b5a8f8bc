"""MiniStack, as it is started and with its switch for IAM."""

from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import AwsHouse
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS"]

VERSION = "1.5.33"


def _aws(started: Started) -> Aws:
    # The key `test` is root, with any secret, with the switch and without.
    root = Credentials("test", "test")
    return Aws(started.url, root, lambda api_id, stage: f"{started.url}/_aws/execute-api/{api_id}/{stage}")


def _peer(name: str, documented: str, **environment: str) -> Peer:
    return Peer(
        name=name,
        package=Package("ministack", (f"ministack=={VERSION}", "cryptography==46.0.3")),
        documented=documented,
        command=lambda started: (str(started.home / "bin/ministack"),),
        environment=lambda started: {
            "GATEWAY_PORT": str(started.port),
            "MINISTACK_HOST": "127.0.0.1",
            "TMPDIR": str(started.state),
            **environment,
        },
        house=lambda started: AwsHouse(_aws(started)),
        first_call=lambda started: _aws(started).client("sts").get_caller_identity(),
    )


PEERS = (
    _peer(
        f"MiniStack {VERSION}",
        "Accepts any well-formed credential unless AUTH=true. Checks SRP proofs and TOTP codes; confirmation codes are "
        "fixed (123456, 654321).",
    ),
    _peer(
        f"MiniStack {VERSION}, AUTH=true",
        "AUTH=true enforces IAM: signatures, identity and resource policies, sessions.",
        AUTH="true",
    ),
)
