"""`python -m benchmarks.hosted_ui`: from the authorize endpoint to tokens, beside what that cannot do without.

The server runs as a person starts it, one browser at a time goes through the pages by https on one connection, and only
the server's own CPU time is counted. Two round trips: *silent*, for somebody who is signed in (authorize with the
session's cookie, then the code at the token endpoint); *whole*, for somebody who is not (the page, the form, then the
code). Bare is measured turn by turn in this process: the two RSA signatures of the tokens, and for the whole one
Argon2id besides.
"""

import argparse
import http.client
import json
import re
import ssl
import statistics
import tempfile
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from benchmarks.load import cpu_seconds
from benchmarks.userpools import PASSWORD, Server, bare_argon2, bare_signatures
from velvetrope.oauth import derive_code_challenge

CALLBACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-of-forty-three-characters-at-least"


class Browser:
    """One browser with its cookies at one server's hosted pages."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.admin.create_user_pool_domain(Domain="bench", UserPoolId=server.user_pool_id)
        client = server.admin.create_user_pool_client(
            UserPoolId=server.user_pool_id,
            ClientName="web",
            CallbackURLs=[CALLBACK],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid", "email"],
            AllowedOAuthFlowsUserPoolClient=True,
            SupportedIdentityProviders=["COGNITO"],
        )["UserPoolClient"]
        connection = json.loads((server.folder / "connection.json").read_text())
        port = urlsplit(connection["config"]["endpoint_url"]).port
        trust = ssl.create_default_context(cafile=connection["ca_certificate"])
        self.connection = http.client.HTTPSConnection("localhost", port, context=trust)
        self.origin = f"https://localhost:{port}"
        self.cookies: dict[str, str] = {}
        self.client_id = client["ClientId"]
        self.query = urlencode(
            {
                "client_id": self.client_id,
                "redirect_uri": CALLBACK,
                "response_type": "code",
                "scope": "openid email",
                "state": "s",
                "code_challenge": derive_code_challenge(VERIFIER),
                "code_challenge_method": "S256",
            }
        )

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Status, Location and body."""
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": self.origin}
        self.connection.request(method, path, None if form is None else urlencode(form), headers)
        answer = self.connection.getresponse()
        body = answer.read().decode()
        for value in answer.headers.get_all("set-cookie") or ():
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.headers.get("location") or "", body

    def redeem(self, location: str) -> None:
        """The code in a redirect becomes tokens."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": parse_qs(urlsplit(location).query)["code"][0],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        status, _, body = self.ask("POST", "/bench/oauth2/token", form)
        if status != http.HTTPStatus.OK:
            raise RuntimeError(body)

    def silent(self) -> None:
        """Authorize with the session that is there."""
        self.redeem(self.ask("GET", f"/bench/oauth2/authorize?{self.query}")[1])

    def whole(self) -> None:
        """The page, the form, the code."""
        _, _, page = self.ask("GET", f"/bench/login?{self.query}")
        action, token = re.search(r'<form[^>]*action="([^"]+)"', page), re.search(r'name="_csrf" value="([^"]+)"', page)
        if action is None or token is None:
            raise RuntimeError(page)
        form = {"_csrf": token.group(1), "username": "anna", "password": PASSWORD}
        status, location, body = self.ask("POST", unescape(action.group(1)), form)
        if status != http.HTTPStatus.FOUND:
            raise RuntimeError(body)
        self.redeem(location)


def measure(rounds: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "state")
        try:
            browser = Browser(server)
            browser.whole()
            print("| authorize to tokens | server CPU ms | bare ms | ratio | a second and core |")
            print("|---|---|---|---|---|")
            for name, work, bare, count in (
                ("silent", browser.silent, bare_signatures, times),
                ("whole", browser.whole, lambda n: bare_argon2(n) + bare_signatures(n), max(10, times // 6)),
            ):
                server.cost(work, 5)
                found = [(server.cost(work, count), bare(count)) for _ in range(rounds)]
                whole, alone = (statistics.median(column) for column in zip(*found, strict=True))
                ratio = statistics.median(one / both for both, one in found)
                print(f"| {name} | {whole * 1e3:.2f} | {alone * 1e3:.2f} | {ratio:.2f} | {1 / whole:,.0f} |")
            by_request(browser, times)
        finally:
            browser.connection.close()
            server.stop()


def by_request(browser: Browser, times: int) -> None:
    """Where a silent round trip's time goes: authorize alone, and the page alone."""
    print("\n| request | server CPU ms |")
    print("|---|---|")
    for name, path in (("authorize, signed in", "oauth2/authorize"), ("the page", "login")):
        before = cpu_seconds(browser.server.process.pid)
        for _ in range(times):
            browser.ask("GET", f"/bench/{path}?{browser.query}")
        print(f"| {name} | {(cpu_seconds(browser.server.process.pid) - before) / times * 1e3:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=200, help="silent round trips a round")
    given = parser.parse_args()
    measure(given.rounds, given.times)


if __name__ == "__main__":
    main()
