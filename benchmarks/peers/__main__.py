"""`python -m benchmarks.peers`: velvetrope and its peers beside each other, on this machine, in one run.

Peers are installed from PyPI and npm, at the versions that their modules name, into a folder that is temporary unless
it is given. What needs Docker is left out. A peer that cannot be had or started is named, with the reason.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.peers import tables
from benchmarks.peers.doors import DOORS, House, Trial
from benchmarks.peers.installing import CannotRun
from benchmarks.peers.peer import Peer, Running
from benchmarks.peers.servers import PEERS
from benchmarks.peers.speed import Start, measure_rates, measure_start

LEFT_OUT: Mapping[str, str] = {
    "sam local": "runs functions and authorizers in Docker alone",
    "LocalStack's paid editions": "a Docker image and a licence; ENFORCE_IAM and Cognito are theirs",
    "floci": "a Docker image; neither PyPI nor npm has it",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "doors", "speed"], default="all")
    parser.add_argument("--only", nargs="+", default=[], help="peers whose name has one of these words, and ours")
    parser.add_argument("--folder", type=Path, help="where peers are installed, and found installed the next time")
    parser.add_argument("--expired", action="store_true", help="also tokens that expired: five minutes for each pool")
    parser.add_argument("--said", action="store_true", help="print what each peer said at each door")
    parser.add_argument("--runs", type=int, default=3, help="starts to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    given = parser.parse_args()
    chosen = [peer for peer in PEERS if peer is PEERS[0] or not given.only or any(w in peer.name for w in given.only)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        peers = _installed(chosen, folder)
        _print("Peers", tables.peers_table(peers))
        for name, reason in LEFT_OUT.items():
            print(f"Left out: {name} ({reason}).")
        if given.what in ("all", "speed"):
            _print(f"Start, median of {given.runs}", tables.starts_table(_starts(peers, folder, given.runs)))
        with ExitStack() as stack:
            houses = _open(stack, peers, folder)
            if given.what in ("all", "doors"):
                _try_doors(houses, [trial for trial in DOORS if given.expired or not trial.waits], said=given.said)
            if given.what in ("all", "speed"):
                rates = measure_rates(houses, given.rounds, given.seconds)
                title = f"One client, median of {given.rounds} rounds of {given.seconds:g} s"
                _print(title, tables.rates_table(rates, PEERS[0].name))


def _installed(peers: Iterable[Peer], folder: Path) -> list[Peer]:
    """Those that can be had."""
    found = []
    for peer in peers:
        print(f"{peer.name} …", file=sys.stderr)
        try:
            if peer.package is not None:
                peer.package.install(folder)
        except CannotRun as err:
            print(f"Left out: {peer.name}. {err}")
            continue
        found.append(peer)
    return found


def _starts(peers: Iterable[Peer], folder: Path, runs: int) -> dict[str, Start]:
    """One after the other, each alone."""
    found = {}
    for peer in peers:
        try:
            found[peer.name] = measure_start(peer, folder, runs)
        except CannotRun as err:
            print(f"Not started: {err}")
    return found


def _open(stack: ExitStack, peers: Iterable[Peer], folder: Path) -> list[tuple[Running, House]]:
    """All of them at once, so that they can be asked in turn."""
    houses = []
    for peer in peers:
        try:
            running = stack.enter_context(peer.start(folder))
        except CannotRun as err:
            print(f"Not started: {err}")
            continue
        houses.append((running, peer.house(running.started)))
    return houses


def _try_doors(houses: Sequence[tuple[Running, House]], trials: Sequence[Trial], *, said: bool) -> None:
    found = {running.peer.name: {trial: trial.at(house) for trial in trials} for running, house in houses}
    _print("Doors: who is let in without the right", tables.doors_table(found))
    if said:
        for name, findings in found.items():
            _print(f"What {name} said", tables.said_table(findings))


def _print(title: str, rows: Iterable[str]) -> None:
    print(f"\n{title}\n")
    for row in rows:
        print(row)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
