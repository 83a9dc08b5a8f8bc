"""velvetrope itself, as `velvetrope serve` starts it, through the same code as its peers."""

import sys

from botocore.credentials import Credentials

import velvetrope
from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import AwsHouse
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS", "aws_at"]

ROOT = ("AKIABENCHMARKROOT000", "benchmark-root-secret-0123456789abcdefgh")


def _aws(started: Started) -> Aws:
    return aws_at(started.url, Credentials(*ROOT))


def aws_at(url: str, root: Credentials) -> Aws:
    """Any running velvetrope, with its root key."""
    return Aws(url, root, lambda api_id, stage: f"{url}/_api/{api_id}/{stage}", region="us-west-2")


PEERS = (
    Peer(
        name=f"velvetrope {velvetrope.__version__}",
        package=None,
        documented="Checks everything, always; there is no switch (docs/threat-model.md).",
        command=lambda started: (
            *(sys.executable, "-m", "velvetrope.cli", "serve"),
            *("--port", str(started.port), "--state-folder", str(started.state / "state")),
        ),
        environment=lambda _: {
            "VELVETROPE_ROOT_ACCESS_KEY_ID": ROOT[0],
            "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ROOT[1],
        },
        house=lambda started: AwsHouse(_aws(started)),
        first_call=lambda started: _aws(started).client("sts").get_caller_identity(),
    ),
)
