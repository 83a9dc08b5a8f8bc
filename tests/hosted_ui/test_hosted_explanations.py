"""What the owner is told about refusals, while whoever was refused hears what Cognito would say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.hosted_ui import Browser, Door, authorize_query
from velvetrope.clock import CountingEntropy
from velvetrope.decisions import DecisionRecord
from velvetrope.edge.hosted import HostedPages
from velvetrope.store.tables.hosted_ui import HostedUiStore


class Owner:
    """Keeps what is recorded, and has a browser at the pages."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.records: list[DecisionRecord] = []
        store = HostedUiStore(door.database)
        self.browser = Browser(HostedPages(door.directory, store, door.clock, CountingEntropy(), recorder=self))

    def record(self, record: DecisionRecord, /) -> None:
        self.records.append(record)

    @property
    def told(self) -> tuple[int, str, str]:
        """Status, code and reason of the one refusal."""
        assert len(self.records) == 1
        return self.records[0].status, self.records[0].code, self.records[0].steps[-1].reason


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    door = await Door.open(tmp_path)
    yield Owner(door)
    await door.database.close()


@pytest.mark.parametrize(
    ("redirect_uri", "reason"),
    [
        ("http://localhost:5173", "http://localhost:5173/ is, and every character counts"),
        ("http://localhost:3000/", "http://localhost:5173/ is, and every character counts"),
        ("HTTPS://app.example.com/cb", "https://app.example.com/cb is, and every character counts"),
        ("https://evil.example/", "these are: demoapp://signed-in, http://localhost:5173/, "),
    ],
)
async def test_the_owner_is_told_which_redirect_uri_came_and_which_would_do(
    owner: Owner, redirect_uri: str, reason: str
) -> None:
    answer = await owner.browser.get(f"/oauth2/authorize?{authorize_query(redirect_uri=redirect_uri)}")

    status, code, told = owner.told
    assert (status, code) == (400, "redirect_mismatch")
    assert told.startswith(f"redirect_uri {redirect_uri} is not registered for the client; {reason}")
    assert answer.location == "/error?error=redirect_mismatch&client_id=1example23456789"


async def test_the_owner_is_told_which_flows_the_client_has(owner: Owner) -> None:
    form = {"grant_type": "client_credentials", "client_id": "1example23456789"}

    answer = await owner.browser.post("/oauth2/token", form)

    assert answer.json == {"error": "unauthorized_client"}
    assert owner.told[2] == "client_credentials is not among the AllowedOAuthFlows of client 1example23456789: code"


async def test_the_owner_is_told_why_an_answer_was_empty(owner: Owner) -> None:
    body = await owner.browser.request("POST", "/oauth2/token", headers={"content-type": "application/json"})
    owner_of_the_first = owner.told
    owner.records.clear()
    method = await owner.browser.get("/oauth2/token")

    assert (body.status, body.text, method.status, method.text) == (405, "", 405, "")
    assert owner_of_the_first == (
        405,
        "MethodNotAllowed",
        "the body is to be application/x-www-form-urlencoded; its content type is 'application/json'",
    )
    assert owner.told == (405, "MethodNotAllowed", "GET is not answered here; POST is")


async def test_the_owner_is_never_shown_a_code_a_token_or_a_secret(owner: Owner) -> None:
    secret = "a-secret-that-is-nobodys-to-read"

    for form in (
        {"grant_type": "authorization_code", "client_id": "1example23456789", "code": secret, "redirect_uri": "x"},
        {"grant_type": "refresh_token", "client_id": "1example23456789", "refresh_token": secret},
        {"grant_type": "refresh_token", "client_id": "1example23456789", "client_secret": secret},
    ):
        await owner.browser.post("/oauth2/token", form)
    await owner.browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {secret}"})

    assert len(owner.records) == 4
    assert secret not in repr(owner.records)
