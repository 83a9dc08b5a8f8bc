"""`python -m benchmarks.gateway`: what the request lane costs by step and as it grows; HTTP_PROXY beside nginx.

`steps`, `keys` and `routes` ask the lane in this process, without sockets: CPU per call, median of the rounds. `proxy`
drives real servers; it needs nginx (Debian's package `nginx`, or the variable NGINX with the path of a binary).
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import insert

from benchmarks.__main__ import Demo, _bare, _client, _wire
from benchmarks.load import Load, drive
from velvetrope.execute_api import IncomingRequest
from velvetrope.operations import Call
from velvetrope.principals import Principal
from velvetrope.secret import Secret
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder
from velvetrope.sigv4 import SignedRequest, sign_request
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.apigateway import API_KEY_HASH_PURPOSE, ApiGatewayStore, ApiKey
from velvetrope.store.tables.apigateway_key_changes import note_changed_keys

CALLS = 3_000
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"ok":true}'}}},
}
SCHEMES = {
    "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "iam": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
}


class Lane:
    """A whole server, wired as ever, asked in this process."""

    def __init__(self, server: Server, folder: StateFolder) -> None:
        self.server = server
        self.folder = folder
        settings, now = server.foundation.settings, server.foundation.clock.now()
        account = settings.account_id
        root = f"arn:aws:iam::{account}:root"
        self.call_as_root = Call(Principal("Account", account, root, root, account), account, settings.region, "r", now)

    async def invoke(self, operation: str, **parameters: object) -> Any:
        return await self.server.dispatcher.invoke("apigateway", operation, parameters, self.call_as_root)

    async def deploy(self, paths: dict[str, Any]) -> str:
        """The id of an API with these paths, in the stage `live`."""
        document = {
            "openapi": "3.0.1",
            "info": {"title": "benchmark"},
            "components": {"securitySchemes": SCHEMES},
            "paths": paths,
        }
        api_id = str((await self.invoke("ImportRestApi", body=json.dumps(document).encode()))["id"])
        await self.invoke("CreateDeployment", restApiId=api_id, stageName="live")
        return api_id

    async def plan(self, api_id: str, key_id: str, *, limited: bool) -> str:
        limits: dict[str, object] = {}
        if limited:
            limits["throttle"] = {"rateLimit": 1_000_000.0, "burstLimit": 1_000_000}
            limits["quota"] = {"limit": 2_000_000_000, "period": "DAY"}
        stages = [{"apiId": api_id, "stage": "live"}]
        plan_id = str((await self.invoke("CreateUsagePlan", name="plan", apiStages=stages, **limits))["id"])
        await self.invoke("CreateUsagePlanKey", usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")
        return plan_id

    async def key(self, value: str) -> str:
        return str((await self.invoke("CreateApiKey", name="key", value=value, enabled=True))["id"])

    def request(self, api_id: str, path: str, *headers: tuple[bytes, bytes]) -> Callable[[datetime], IncomingRequest]:
        raw_path = f"/_api/{api_id}/live{path}".encode()

        def make(now: datetime) -> IncomingRequest:
            return IncomingRequest(
                api_id=api_id,
                method="GET",
                raw_path=raw_path,
                stage_path=f"/live{path}".encode(),
                query_string=b"",
                headers=((b"host", b"localhost:4800"), *headers),
                body=b"",
                source_ip="127.0.0.1",
                scheme="http",
                http_version="1.1",
                received_at=now,
            )

        return make

    def signed(self, api_id: str, path: str, *headers: tuple[bytes, bytes]) -> Callable[[datetime], IncomingRequest]:
        """As `request`, signed with the root key at the time of the round."""
        plain = self.request(api_id, path, *headers)
        key = self.server.root_key.key

        def make(now: datetime) -> IncomingRequest:
            request = plain(now)
            signed = sign_request(
                SignedRequest("GET", request.raw_path, b"", request.headers, b""),
                access_key_id=key.access_key_id,
                secret=Secret(key.secret_access_key.reveal()),
                service="execute-api",
                region=self.server.foundation.settings.region,
                now=now,
            )
            return self.request(api_id, path, *signed.headers[1:])(now)

        return make

    async def cost_us(self, makers: Sequence[Callable[[datetime], IncomingRequest]], *, rounds: int = 5) -> float:
        """Microseconds of CPU per call, median; requests are made before."""
        found = []
        for _ in range(rounds):
            now = self.server.foundation.clock.now()
            requests = [makers[n % len(makers)](now) for n in range(CALLS)]
            for request in requests[: min(len(makers), CALLS)]:
                response = await self.server.apis.lane.answer(request)
                if response.status != 200:
                    raise RuntimeError(f"{response.status} {response.body!r}")
            started = time.process_time()
            for request in requests:
                await self.server.apis.lane.answer(request)
            found.append((time.process_time() - started) / CALLS * 1e6)
        return statistics.median(found)


def _in_a_server(measure: Callable[[Lane], Awaitable[None]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = StateFolder.open(Path(temporary) / "state", SystemEntropy())
            server = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
            try:
                await measure(Lane(server, folder))
            finally:
                await server.stop()
                folder.close()

    asyncio.run(run())


def _route(*security: str) -> dict[str, Any]:
    return {"get": {"x-amazon-apigateway-integration": MOCK, "security": [{name: []} for name in security]}}


async def measure_steps(lane: Lane) -> None:
    """What each step of the chain adds to a MOCK call."""
    api_id = await lane.deploy(
        {"/open": _route(), "/key": _route("key"), "/signed": _route("iam"), "/both": _route("key", "iam")}
    )
    value = "benchmark-key-value-00000"
    key_id = await lane.key(value)
    header = (b"x-api-key", value.encode())
    plan_id = await lane.plan(api_id, key_id, limited=False)
    rows = [("route and MOCK answer", await lane.cost_us([lane.request(api_id, "/open")]))]
    rows.append(("with an API key", await lane.cost_us([lane.request(api_id, "/key", header)])))
    await lane.invoke(
        "UpdateUsagePlan",
        usagePlanId=plan_id,
        patchOperations=[
            {"op": "replace", "path": "/throttle/rateLimit", "value": "1000000"},
            {"op": "replace", "path": "/throttle/burstLimit", "value": "1000000"},
            {"op": "replace", "path": "/quota/limit", "value": "2000000000"},
            {"op": "replace", "path": "/quota/period", "value": "DAY"},
        ],
    )
    rows.append(("with a key, rate and quota", await lane.cost_us([lane.request(api_id, "/key", header)])))
    rows.append(("signed, and policy", await lane.cost_us([lane.signed(api_id, "/signed")])))
    rows.append(("all of it", await lane.cost_us([lane.signed(api_id, "/both", header)])))
    first = rows[0][1]
    print("\nSteps, CPU of the lane per call, without sockets\n\n| | µs | to the first |\n|---|---|---|")
    for name, cost in rows:
        print(f"| {name} | {cost:.1f} | {cost / first:.2f} |")


async def measure_keys(lane: Lane) -> None:
    """A call with one of ten, a thousand and a hundred thousand API keys."""
    api_id = await lane.deploy({"/key": _route("key")})
    plan_id = await lane.plan(api_id, await lane.key("benchmark-key-value-first"), limited=True)
    free_api = await lane.deploy({"/key": _route("key")})
    free_plan = await lane.plan(free_api, await lane.key("benchmark-key-value-other"), limited=False)
    print("\nAPI keys, CPU of the lane per call, without sockets\n")
    print("| keys | one busy key, counted, µs | 2,000 in turn, µs | to ten keys | at a start, s | after a change, ms |")
    print("|---|---|---|---|---|---|")
    values: list[str] = []
    base = 0.0
    for count in (10, 1_000, 100_000):
        await _add_keys(lane, values, count, plan_id, free_plan)
        await lane.server.apis.lane.start()
        started = time.perf_counter()
        await ApiGatewayStore(lane.server.foundation.database).load_state(())
        at_start = time.perf_counter() - started
        await lane.key(f"benchmark-key-that-is-new-{count}")
        started = time.perf_counter()
        await lane.server.apis.lane.start()
        after_change = (time.perf_counter() - started) * 1000
        busy = [lane.request(api_id, "/key", (b"x-api-key", values[0].encode()))]
        spread = values[:: max(1, count // 2_000)][:2_000]
        turns = [lane.request(free_api, "/key", (b"x-api-key", value.encode())) for value in spread]
        one, many = await lane.cost_us(busy), await lane.cost_us(turns)
        base = base or one
        print(f"| {count:,} | {one:.1f} | {many:.1f} | {one / base:.2f} | {at_start:.2f} | {after_change:.1f} |")


async def _add_keys(lane: Lane, values: list[str], count: int, *plan_ids: str) -> None:
    """Bring the store to `count` keys in each of the plans, past the control plane's one by one."""
    master, now = lane.folder.master_keys, lane.server.foundation.clock.now()
    keys: list[dict[str, object]] = []
    pairs: list[dict[str, object]] = []
    for number in range(len(values), count):
        value = f"benchmark-key-value-{number:08}"
        digest = master.derive(purpose=API_KEY_HASH_PURPOSE, info=value.encode())
        hashed = f"{master.current.hex()}.{digest.hex()}"
        key_id = f"key{number:08}"
        account_id = lane.server.foundation.settings.account_id
        record = ApiKey(
            id=key_id,
            account_id=account_id,
            name=None,
            value_sealed=b"",
            value_hash=hashed,
            created_at=now,
            modified_at=now,
            enabled=True,
        )
        keys.append({"id": key_id, "account_id": account_id, "value_hash": hashed, "record": record})
        pairs += [{"usage_plan_id": plan_id, "key_id": key_id} for plan_id in plan_ids]
        values.append(value)
    async with lane.server.foundation.database.transaction() as tx:
        await tx.connection.execute(insert(METADATA.tables["apigateway_api_keys"]), keys)
        await tx.connection.execute(insert(METADATA.tables["apigateway_usage_plan_keys"]), pairs)
        await note_changed_keys(tx.connection, [str(key["id"]) for key in keys])
        tx.changed("apigateway")


async def measure_routes(lane: Lane) -> None:
    """A call to an API of ten and of a thousand routes."""
    print("\nRoutes of one API, CPU of the lane per call, without sockets\n")
    print("| routes | fixed path, µs | path with variables, µs | to ten routes |\n|---|---|---|---|")
    base = 0.0
    for count in (10, 1_000):
        # API Gateway takes 300 resources in an API; four verbs on each of 125 pairs are a thousand routes.
        paths: dict[str, Any] = {}
        operation = {"x-amazon-apigateway-integration": MOCK}
        for number in range(max(1, count // 8)):
            paths[f"/fixed{number}"] = dict.fromkeys(("get", "post", "put", "delete"), operation)
            paths[f"/items/{{id}}/part{number}"] = dict.fromkeys(("get", "post", "put", "delete"), operation)
        api_id = await lane.deploy(paths)
        last = max(1, count // 8) - 1
        fixed = await lane.cost_us([lane.request(api_id, f"/fixed{last}")])
        variable = await lane.cost_us([lane.request(api_id, f"/items/{n}/part{last}") for n in range(500)])
        base = base or variable
        print(f"| {count:,} | {fixed:.1f} | {variable:.1f} | {variable / base:.2f} |")


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def _nginx(backend: int) -> Iterator[tuple[int, int]]:
    """Port and process id of nginx's one worker, as a plain reverse proxy with connections that are kept."""
    import socket

    binary = os.environ.get("NGINX") or shutil.which("nginx")
    if binary is None:
        raise SystemExit("this needs nginx: apt-get install nginx, or NGINX=/path/to/nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, backend=backend, port=port))
        process = subprocess.Popen(
            [binary, "-p", folder, "-c", str(configuration)], stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            workers: list[str] = []
            for _ in range(100):
                workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                with socket.socket() as probe:
                    if workers and probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port, int(workers[0])
        finally:
            process.terminate()
            process.wait(10)


def measure_proxy(seconds: float, rounds: int, connections: int) -> None:
    """What a proxy adds to a call of a backend: ours, and nginx beside it."""
    with tempfile.TemporaryDirectory() as temporary, _bare("own") as (backend, backend_pid), _nginx(backend) as nginx:
        demo = Demo(Path(temporary) / "state", "serve")
        try:
            url = f"http://127.0.0.1:{backend}/"
            rest = _client(demo, "apigateway")
            proxy = {"type": "http_proxy", "httpMethod": "ANY", "uri": url}
            document = {
                "openapi": "3.0.1",
                "info": {"title": "proxy"},
                "paths": {"/": {"get": {"x-amazon-apigateway-integration": proxy}}},
            }
            api_id = rest.import_rest_api(body=json.dumps(document))["id"]
            rest.create_deployment(restApiId=api_id, stageName="live")
            http = _client(demo, "apigatewayv2")
            endpoint = http.create_api(Name="proxy", ProtocolType="HTTP", Target=url)["ApiEndpoint"]
            headers = ((b"Host", b"localhost"),)
            subjects: dict[str, tuple[int, int, str]] = {
                "backend, no proxy": (backend, backend_pid, "/"),
                "nginx, plain reverse proxy": (*nginx, "/"),
                "HTTP_PROXY of a REST API": (demo.port, demo.process.pid, f"/_api/{api_id}/live/"),
                "HTTP_PROXY of an HTTP API": (demo.port, demo.process.pid, urlsplit(endpoint).path + "/"),
            }
            found: dict[str, list[Load]] = {name: [] for name in subjects}
            for _ in range(rounds):
                for name, (port, pid, path) in subjects.items():
                    requests = [_wire(path, f"n={n}", headers) for n in range(500)]
                    drive(port, requests, connections=connections, seconds=0.3, server_pid=pid)
                    found[name].append(drive(port, requests, connections=connections, seconds=seconds, server_pid=pid))
        finally:
            demo.stop()
    direct = found["backend, no proxy"]
    print(f"\nHTTP_PROXY beside nginx, median of {rounds} rounds of {seconds:g} s, {connections} connections\n")
    print("| | requests/s | p50 ms | added at p50, ms | added, to nginx's | proxy CPU µs |\n|---|---|---|---|---|---|")

    def added(name: str) -> float:
        return statistics.median(a.p50_ms - b.p50_ms for a, b in zip(found[name], direct, strict=True))

    for name, loads in found.items():
        of_nginx = added("nginx, plain reverse proxy")
        rate, p50 = (
            statistics.median(column) for column in zip(*((o.per_second, o.p50_ms) for o in loads), strict=True)
        )
        cpu = statistics.median(load.server_cpu_us for load in loads)
        beside = "" if loads is direct else f"{added(name):.2f} | {added(name) / of_nginx:.1f}"
        print(f"| {name} | {rate:,.0f} | {p50:.2f} | {beside or ' | '} | {cpu:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "steps", "keys", "routes", "proxy"], default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement of `proxy`")
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    for name, measure in (("steps", measure_steps), ("keys", measure_keys), ("routes", measure_routes)):
        if given.what in ("all", name):
            _in_a_server(measure)
    if given.what in ("all", "proxy"):
        measure_proxy(given.seconds, given.rounds, given.connections)


if __name__ == "__main__":
    main()
