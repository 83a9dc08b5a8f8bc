"""`python -m benchmarks.policy`: policy decisions and signatures per second of CPU, in one thread, without sockets.

Decisions, for principals of 10 and of 300 statements spread over policies of ten:

- cold: the documents are parsed and compiled, then asked once, as for the first request after a change of IAM;
- cached: compiled policies are asked about one resource after another, with a context made for each request.

Each principal's matching Allow is in its last policy, so every policy is looked at. A second figure asks for an action
of which nothing speaks, which is the refusal that takes longest to be sure of.

Signatures: requests signed by botocore, each with another query string, are parsed and verified; the ratio is to
botocore's own signing of the same requests, measured turn by turn in the same run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    request_context,
)
from velvetrope.principals import Principal
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock
from velvetrope.sigv4 import SignedRequest, parse_authorization, verify_signature

ACCOUNT, REGION = "123456789012", "us-west-2"
CALLER = Principal(
    kind="AssumedRole",
    account_id=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Caller/session",
    policy_arn=f"arn:aws:iam::{ACCOUNT}:role/Caller",
    unique_id="AROACALLERCALLERCALL:session",
    name="Caller",
    access_key_id="ASIACALLERCALLERCALL",
    tags={"team": "velvet"},
)
KEYS = Credentials("ASIABENCHMARKPOLICY0", "benchmark-secret-0123456789abcdefghijklmn", "t" * 800)
STATEMENTS_PER_POLICY = 10
REQUESTS = 2_000


def documents(statements: int) -> list[str]:
    """Policies of ten statements each; the last statement of the last one allows the call that is asked about."""
    made = [
        {
            "Sid": f"s{number}",
            "Effect": "Deny" if number % 5 == 0 else "Allow",
            "Action": [f"lambda:Get{number}*", "execute-api:Invoke"],
            "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api{number}/*/GET/private/*",
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "velvet"}},
        }
        for number in range(statements - 1)
    ]
    resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:theapi/latest/GET/*"
    made.append({"Sid": "last", "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource})
    chunks = [made[at : at + STATEMENTS_PER_POLICY] for at in range(0, statements, STATEMENTS_PER_POLICY)]
    return [json.dumps({"Version": "2012-10-17", "Statement": chunk}) for chunk in chunks]


def compiled(texts: list[str]) -> PrincipalPolicies:
    """The documents as a principal's policies. `parse_policy` remembers nothing."""
    return PrincipalPolicies(identity=tuple(parse_policy(text, kind="identity") for text in texts))


def ask(policies: PrincipalPolicies, number: int, now: datetime, action: str = "execute-api:Invoke") -> Decision:
    """One decision, with all that a request costs."""
    return evaluate(
        AuthorizationRequest(
            CALLER,
            action,
            f"arn:aws:execute-api:{REGION}:{ACCOUNT}:theapi/latest/GET/r{number}",
            ACCOUNT,
            request_context(CALLER, now=now, source_ip="203.0.113.7", user_agent="curl/8", region=REGION),
            policies,
        )
    )


def per_second(work: Callable[[], int], seconds: float) -> float:
    """How many of what `work` counts are done in a second of CPU."""
    done, started = 0, time.process_time()
    while True:
        done += work()
        elapsed = time.process_time() - started
        if elapsed >= seconds:
            return done / elapsed


def measure_decisions(statements: int, seconds: float, rounds: int) -> tuple[float, float, float]:
    """Cold, cached and cached refusals per second."""
    texts, now = documents(statements), SystemClock().now()
    warm = compiled(texts)
    outcomes = (ask(warm, 0, now).outcome, ask(warm, 0, now, "execute-api:ManageConnections").outcome)
    if outcomes != ("allowed", "implicitDeny"):
        raise RuntimeError(f"the benchmark's policies decide {outcomes}")

    def cold() -> int:
        ask(compiled(texts), 0, now)
        return 1

    def cached() -> int:
        for number in range(REQUESTS):
            ask(warm, number, now)
        return REQUESTS

    def refused() -> int:
        for number in range(REQUESTS):
            ask(warm, number, now, "execute-api:ManageConnections")
        return REQUESTS

    found = [[per_second(work, seconds) for work in (cold, cached, refused)] for _ in range(rounds)]
    first, second, third = (statistics.median(column) for column in zip(*found, strict=True))
    return first, second, third


def unsigned_requests() -> list[AWSRequest]:
    url = "https://api.execute-api.us-west-2.amazonaws.com/latest/require-auth"
    return [
        AWSRequest("GET", f"{url}?n={number}", headers={"x-api-key": "k" * 40, "user-agent": "benchmark"})
        for number in range(REQUESTS)
    ]


def sign_all(requests: list[AWSRequest]) -> None:
    for request in requests:
        SigV4Auth(KEYS, "execute-api", REGION).add_auth(request)


def received(request: AWSRequest) -> SignedRequest:
    """The request as our server has it from the wire."""
    url = urlsplit(request.url)
    headers = [(b"host", url.netloc.encode())]
    headers += [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    return SignedRequest("GET", url.path.encode(), url.query.encode(), tuple(headers), b"")


def measure_signatures(rounds: int) -> tuple[float, float, float]:
    """Signatures made by botocore and verified by us per second, and the median of the rounds' ratios."""
    secret, made, verified = Secret(str(KEYS.secret_key)), [], []
    for _ in range(rounds):
        requests = unsigned_requests()
        started = time.process_time()
        sign_all(requests)
        made.append(REQUESTS / (time.process_time() - started))
        wire, now = [received(request) for request in requests], SystemClock().now()
        started = time.process_time()
        for request in wire:
            presented = parse_authorization(request, now=now)
            verify_signature(request, presented, secret=secret, service="execute-api", region=REGION, now=now)
        verified.append(REQUESTS / (time.process_time() - started))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(verified, made, strict=True))
    return statistics.median(made), statistics.median(verified), ratio


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print(f"\nDecisions per second of CPU, median of {given.rounds} rounds\n")
    print("| statements | cold | cached, allowed | cached, refused | µs each (cold / allowed / refused) |")
    print("|---|---|---|---|---|")
    for statements in (10, 300):
        rates = measure_decisions(statements, given.seconds, given.rounds)
        each = " / ".join(f"{1e6 / rate:,.1f}" for rate in rates)
        print(f"| {statements} | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[2]:,.0f} | {each} |")
    made, verified, ratio = measure_signatures(given.rounds)
    print(f"\nSignatures per second of CPU, median of {given.rounds} rounds of {REQUESTS:,}\n")
    print("| made by botocore | verified | ratio |")
    print("|---|---|---|")
    print(f"| {made:,.0f} | {verified:,.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
