"""`python -m benchmarks`: start-up, memory, and the request lane, as ratios to the bare server in the same run."""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from benchmarks.load import Load, drive, resident_mib
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock
from velvetrope.sigv4 import SignedRequest, sign_request

ROOT = ("AKIABENCHMARKROOT000", "benchmark-root-secret-0123456789abcdefgh")
DISTINCT = 4000


@dataclass(frozen=True)
class Keys:
    """Temporary credentials."""

    access_key_id: str
    secret: str
    token: str


class Demo:
    """The demo, or another command that serves, started as a person starts it."""

    def __init__(self, folder: Path, command: str = "demo") -> None:
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VELVETROPE_"))}
        environment |= {
            "VELVETROPE_ROOT_ACCESS_KEY_ID": ROOT[0],
            "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ROOT[1],
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "velvetrope.cli", command, "--port", "0", "--state-folder", str(folder)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "Ctrl-C stops the server" in line:
                break
        self.ready_seconds = time.perf_counter() - self.started
        self.config: dict[str, str] = json.loads((folder / "connection.json").read_text())["config"]
        self.port = int(self.config["endpoint_url"].rsplit(":", 1)[1])

    def call(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """One unsigned JSON call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        connection.request("POST", "/", json.dumps(body), headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def user_keys(self) -> Keys:
        """Sign in by password, and exchange the ID token for the authenticated role's credentials."""
        config = self.config
        tokens = self.call(
            "AWSCognitoIdentityProviderService.InitiateAuth",
            {
                "ClientId": config["user_pool_client_id"],
                "AuthFlow": "USER_PASSWORD_AUTH",
                "AuthParameters": {"USERNAME": "demouser", "PASSWORD": "demoPASS123"},
            },
        )
        provider = f"cognito-idp.{config['region']}.amazonaws.com/{config['user_pool_id']}"
        logins = {provider: tokens["AuthenticationResult"]["IdToken"]}
        identity = self.call(
            "AWSCognitoIdentityService.GetId", {"IdentityPoolId": config["identity_pool_id"], "Logins": logins}
        )["IdentityId"]
        found = self.call(
            "AWSCognitoIdentityService.GetCredentialsForIdentity", {"IdentityId": identity, "Logins": logins}
        )["Credentials"]
        return Keys(found["AccessKeyId"], found["SecretKey"], found["SessionToken"])

    def protected_call(self, keys: Keys) -> int:
        """The status of one signed call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        path = urlsplit(self.config["api_url"]).path + "/require-auth"
        signed = _sign(self.port, path, "", self.config["api_key"], keys, self.config["region"])
        connection.request("GET", path, headers={n.decode(): v.decode() for n, v in signed.headers})
        status = connection.getresponse().status
        connection.close()
        return status

    def resident_mib(self) -> float:
        """The server, its zygote and its functions together."""
        found, ask = list[int](), [self.process.pid]
        while ask:
            pid = ask.pop()
            found.append(pid)
            ask += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return resident_mib(found)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


def _sign(port: int, path: str, query: str, api_key: str, keys: Keys, region: str) -> SignedRequest:
    request = SignedRequest(
        method="GET",
        raw_path=path.encode(),
        query_string=query.encode(),
        headers=((b"host", f"127.0.0.1:{port}".encode()), (b"x-api-key", api_key.encode())),
        body=b"",
    )
    return sign_request(
        request,
        access_key_id=keys.access_key_id,
        secret=Secret(keys.secret),
        service="execute-api",
        region=region,
        now=SystemClock().now(),
        session_token=keys.token,
    )


def _wire(path: str, query: str, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    target = f"{path}?{query}" if query else path
    lines = [f"GET {target} HTTP/1.1".encode(), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


@contextmanager
def _bare(server: str) -> Iterator[tuple[int, int]]:
    """Port and process id of a bare server: `uvicorn`, or `own` for our own listener."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", server], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _client(demo: Demo, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=demo.config["endpoint_url"],
        region_name=demo.config["region"],
        aws_access_key_id=ROOT[0],
        aws_secret_access_key=ROOT[1],
    )


def _mock_api(demo: Demo) -> str:
    """A second API with the same two routes and MOCK integrations; its id."""
    gateway = _client(demo, "apigateway")
    api = gateway.create_rest_api(name="mock")
    for path, authorization in (("no-auth", "NONE"), ("require-auth", "AWS_IAM")):
        of = {
            "restApiId": api["id"],
            "httpMethod": "GET",
            "resourceId": gateway.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart=path)[
                "id"
            ],
        }
        gateway.put_method(**of, authorizationType=authorization, apiKeyRequired=True)
        gateway.put_integration(**of, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_method_response(**of, statusCode="200")
        template = '{"message":"You\'re past the velvet rope!"}'
        gateway.put_integration_response(**of, statusCode="200", responseTemplates={"application/json": template})
    gateway.create_deployment(restApiId=api["id"], stageName="latest")
    return str(api["id"])


def _unlimited_key(demo: Demo, mock_api: str) -> str:
    """A key whose plan lets everything through, counted all the same; its value."""
    gateway = _client(demo, "apigateway")
    stages = [{"apiId": api, "stage": "latest"} for api in (demo.config["api_id"], mock_api)]
    plan = gateway.create_usage_plan(
        name="benchmark",
        apiStages=stages,
        throttle={"rateLimit": 1_000_000, "burstLimit": 1_000_000},
        quota={"limit": 2_000_000_000, "period": "DAY"},
    )
    key = gateway.create_api_key(name="benchmark", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return str(key["value"])


def _allow(demo: Demo, mock_api: str, keys: Keys) -> None:
    caller = boto3.client(
        "sts",
        endpoint_url=demo.config["endpoint_url"],
        region_name=demo.config["region"],
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token,
    ).get_caller_identity()["Arn"]
    region, account = demo.config["region"], demo.config["account_id"]
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{region}:{account}:{mock_api}/latest/GET/require-auth",
    }
    _client(demo, "iam").put_role_policy(
        RoleName=caller.split("/")[1],
        PolicyName="mock",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def measure_starts(runs: int) -> None:
    """Seconds from process start to the first authorised call, and resident memory."""
    rows: dict[str, list[tuple[float, float, float]]] = {"first start (empty folder)": [], "second start": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as temporary:
            for found in rows.values():
                demo = Demo(Path(temporary) / "state")
                try:
                    status = demo.protected_call(demo.user_keys())
                    seconds = time.perf_counter() - demo.started
                    if status != 200:
                        raise RuntimeError(f"the protected call answered {status}")
                    found.append((demo.ready_seconds, seconds, demo.resident_mib()))
                finally:
                    demo.stop()
    print(f"\nStart, median of {runs} (seconds from process start)\n")
    print("| | ready | first authorised call | resident, server and one warm function |")
    print("|---|---|---|---|")
    for name, found in rows.items():
        ready, seconds, mib = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {ready:.2f} | {seconds:.2f} | {mib:.0f} MiB |")


def measure_lane(seconds: float, rounds: int, connections: int, *, functions: bool = True) -> None:
    """Rates of the request lane beside those of two bare servers; without `functions`, of MOCK calls only."""
    with tempfile.TemporaryDirectory() as temporary, _bare("uvicorn") as uvicorn, _bare("own") as own:
        demo = Demo(Path(temporary) / "state")
        try:
            mock_api = _mock_api(demo)
            api_key = _unlimited_key(demo, mock_api)
            keys = demo.user_keys()
            _allow(demo, mock_api, keys)
            open_headers = ((b"Host", f"127.0.0.1:{demo.port}".encode()), (b"x-api-key", api_key.encode()))

            def unprotected(api: str) -> list[bytes]:
                return [_wire(f"/_api/{api}/latest/no-auth", f"n={n}", open_headers) for n in range(DISTINCT)]

            def protected(api: str) -> list[bytes]:
                path = f"/_api/{api}/latest/require-auth"
                signed = (
                    (f"n={n}", _sign(demo.port, path, f"n={n}", api_key, keys, demo.config["region"]))
                    for n in range(DISTINCT)
                )
                return [_wire(path, query, tuple(request.headers)) for query, request in signed]

            function_api, pid = demo.config["api_id"], demo.process.pid
            subjects: dict[str, tuple[int, int, Callable[[], list[bytes]]]] = {
                "uvicorn, hello": (*uvicorn, lambda: [_wire("/", "", open_headers)]),
                # The same bytes as the protected call's, so that what is left between the two is the gateway's work.
                "uvicorn, signed requests": (*uvicorn, lambda: protected(mock_api)),
                "own listener, hello": (*own, lambda: [_wire("/", "", open_headers)]),
                "own listener, signed requests": (*own, lambda: protected(mock_api)),
                "MOCK, /no-auth": (demo.port, pid, lambda: unprotected(mock_api)),
                "MOCK, /require-auth": (demo.port, pid, lambda: protected(mock_api)),
            }
            if functions:
                subjects["function, /no-auth"] = (demo.port, pid, lambda: unprotected(function_api))
                subjects["function, /require-auth"] = (demo.port, pid, lambda: protected(function_api))
            found: dict[str, list[Load]] = {name: [] for name in subjects}
            for _ in range(rounds):
                for name, (port, server_pid, make) in subjects.items():
                    requests = make()  # signed anew each round: a signature lasts five minutes
                    drive(port, requests, connections=connections, seconds=0.5, server_pid=server_pid)
                    load = drive(port, requests, connections=connections, seconds=seconds, server_pid=server_pid)
                    found[name].append(load)
        finally:
            demo.stop()
    _print_lane(found, seconds, rounds, connections)


def _print_lane(found: dict[str, list[Load]], seconds: float, rounds: int, connections: int) -> None:
    def median(name: str, of: Callable[[Load], float]) -> float:
        return statistics.median(of(load) for load in found[name])

    # Round by round, so that a drift of the machine's speed falls out.

    def rate(name: str, to: str) -> float:
        return statistics.median(a.per_second / b.per_second for a, b in zip(found[name], found[to], strict=True))

    def cpu(name: str, to: str) -> float:
        return statistics.median(a.server_cpu_us / b.server_cpu_us for a, b in zip(found[name], found[to], strict=True))

    bare = tuple(found)[:4]
    print(f"\nRequest lane, median of {rounds} rounds of {seconds:g} s, {connections} connections\n")
    print("| | requests/s | p50 ms | p99 ms | server CPU µs | rate to uvicorn | CPU | rate to own listener | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in found:
        row = [median(name, lambda load: load.per_second), median(name, lambda load: load.p50_ms)]
        row += [median(name, lambda load: load.p99_ms), median(name, lambda load: load.server_cpu_us)]
        beside = [(rate(name, to), cpu(name, to)) for to in (bare[0], bare[2])]
        ratios = " | ".join(f"{of_rate:.2f} | {of_cpu:.2f}" for of_rate, of_cpu in beside)
        print(f"| {name} | {row[0]:,.0f} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.0f} | {ratios} |")
    for to in (bare[1], bare[3]):
        name = "MOCK, /require-auth"
        print(f"\n{name} to {to}: rate {rate(name, to):.2f}, CPU {cpu(name, to):.2f}")
    if "function, /no-auth" in found:
        pair = rate("function, /require-auth", "function, /no-auth")
        print(f"\nprotected function call to the unprotected one: {pair:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "start", "lane"], default="all")
    parser.add_argument("--runs", type=int, default=5, help="starts to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--mock-only", action="store_true", help="leave calls of functions out of the lane")
    given = parser.parse_args()
    if given.what in ("all", "start"):
        measure_starts(given.runs)
    if given.what in ("all", "lane"):
        measure_lane(given.seconds, given.rounds, given.connections, functions=not given.mock_only)


if __name__ == "__main__":
    main()
