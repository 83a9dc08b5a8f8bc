"""The doors of `benchmarks.peers`, tried at velvetrope by the code that tries them at its peers.

Each door has its key: `Door.open` finds a refusal only where the same request was answered to somebody with the right.
Doors that wait until a token has expired are left to `test_denial_table.py` and `tests/identitypools`, whose tokens are
old already.
"""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import DOORS, AwsHouse, Finding, House, Outcome, Trial
from benchmarks.peers.doors.door import Answer, Door, HasNone
from benchmarks.peers.servers.velvetrope import aws_at
from benchmarks.peers.tables import doors_table
from support.days import in_one_day
from support.running import ROOT_KEY, RunningServer


@pytest.fixture(scope="module")
def house(serving: RunningServer) -> AwsHouse:
    return AwsHouse(aws_at(serving.url, Credentials(*ROOT_KEY)))


@pytest.mark.parametrize("trial", [trial for trial in DOORS if not trial.waits], ids=lambda trial: trial.name)
def test_whoever_lacks_the_right_is_refused_as_on_aws(house: AwsHouse, trial: Trial) -> None:
    found = in_one_day(lambda: trial.at(house))

    assert (found.outcome, found.code) == (Outcome.REFUSED, trial.aws), found.said


class _Everybody(http.server.BaseHTTPRequestHandler):
    """Lets everybody in, and says nothing to them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_said: Any) -> None:
        """Nowhere."""


@pytest.fixture(scope="module")
def open_house() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Everybody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _door(holder: Answer, intruder: Answer, aws: str = "403 AccessDenied") -> Door[None]:
    return Door("a door", aws, lambda _: holder, lambda _: intruder)


LET_IN = Answer(admitted=True, said="200: Credentials")


def test_a_door_that_lets_the_intruder_in_is_found_open() -> None:
    assert _door(LET_IN, LET_IN).open(lambda: None).outcome is Outcome.LET_IN


def test_a_refusal_of_everybody_is_no_lock() -> None:
    refusal = Answer(admitted=False, said="403 AccessDenied: no")

    assert _door(LET_IN, refusal).open(lambda: None).outcome is Outcome.REFUSED
    assert _door(refusal, refusal).open(lambda: None).outcome is Outcome.HAS_NONE


def test_an_error_of_the_peers_own_is_no_refusal_unless_aws_answers_so() -> None:
    error = Answer(admitted=False, said="500 InternalError: something")

    assert _door(LET_IN, error).open(lambda: None).outcome is Outcome.BROKE
    assert _door(LET_IN, error, aws="500 InternalError").open(lambda: None).outcome is Outcome.REFUSED


def test_the_last_row_counts_those_let_in_of_those_let_in_or_refused() -> None:
    trials = [Trial("Doors", str(n), "403", waits=False, at=lambda _: Finding(Outcome.REFUSED, "")) for n in range(5)]
    outcomes = [Outcome.LET_IN, Outcome.REFUSED, Outcome.REFUSED, Outcome.BROKE, Outcome.HAS_NONE]

    *_, last = doors_table({"peer": {trial: Finding(how, "") for trial, how in zip(trials, outcomes, strict=True)}})

    assert last.endswith("| **1 of 3** |")


def test_a_peer_without_the_service_has_no_door() -> None:
    def room() -> None:
        raise HasNone("no user pools")

    assert _door(LET_IN, LET_IN).open(room).outcome is Outcome.HAS_NONE
    assert all(trial.at(House()).outcome is Outcome.HAS_NONE for trial in DOORS)


def test_an_answer_without_what_was_asked_for_is_no_way_in(open_house: str) -> None:
    """200 and an empty object: whoever has the right got nothing either, so it is no finding about who has not."""
    aws = Aws(open_house, Credentials("any", "any"), lambda _api_id, _stage: open_house)

    found = {trial.at(AwsHouse(aws)).outcome for trial in DOORS if trial.heading == "User pools"}

    assert found == {Outcome.HAS_NONE}
