"""LocalStack's free distribution on PyPI, without Docker."""

from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import AwsHouse
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS"]

VERSION = "2026.3.0"


def _aws(started: Started) -> Aws:
    root = Credentials("test", "test")
    return Aws(started.url, root, lambda api_id, stage: f"{started.url}/_aws/execute-api/{api_id}/{stage}")


PEERS = (
    Peer(
        name=f"localstack-core {VERSION}",
        # The wheel leaves its dependencies' upper bounds open; these are the newest with which it starts.
        package=Package(
            "localstack",
            (
                f"localstack-core[runtime]=={VERSION}",
                *("cbor2<6", "pyopenssl<26", "cryptography<46", "service-identity"),
            ),
            python="3.13",
        ),
        documented="Any credentials are accepted; IAM policies are enforced (ENFORCE_IAM) and Cognito is there in the "
        "paid editions, which are not on PyPI. Functions need Docker.",
        command=lambda started: (str(started.home / "bin/localstack-supervisor"),),
        environment=lambda started: {
            "GATEWAY_LISTEN": f"127.0.0.1:{started.port}",
            "HOME": str(started.state),
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        },
        house=lambda started: AwsHouse(_aws(started)),
        first_call=lambda started: _aws(started).client("sts").get_caller_identity(),
    ),
)
