"""Routes of an app file as callers meet them: which one runs, and what reaches it and comes back."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from support.clients import guest_credentials, signed
from support.running import ROOT_KEY, RunningServer, clean_environment

_APP = """
import base64

from aws_lambda_powertools.event_handler import Response
from velvetrope.builder import Api, IdentityPool, UserPool

users = UserPool("people")
identities = IdentityPool("people", clients=[users.client("web")], allow_guests=True)
api = Api("routes", binary_media_types=["image/png"])

@api.get("/notes/{note}", authorization_type="AWS_IAM", allow=[identities.guest, identities.authenticated])
def note(note):
    return {"note": note}

@api.get("/notes/{note}/drafts", authorization_type="AWS_IAM", allow=[identities.authenticated])
def drafts(note):
    return {"drafts of": note}

@api.get("/shelf/{rest+}", authorization_type="AWS_IAM", allow=[identities.authenticated])
def shelf(rest):
    return {"shelf": rest}

@api.get("/shelf/open/{rest+}", authorization_type="AWS_IAM", allow=[identities.guest])
def open_shelf(rest):
    return {"open shelf": rest}

@api.get("/{room}/safe", authorization_type="AWS_IAM")
def safe(room):
    return {"the safe of": room}

@api.get("/hall/{thing}")
def hall(thing):
    return {"in the hall": thing}

@api.get("/files/{rest+}")
def files(rest):
    return {"rest": rest}

@api.get("/files/list")
def list_files():
    return {"list": []}

@api.post("/picture")
def picture():
    return Response(200, "image/png", base64.b64decode(api.request.body))

@api.get("/cookies")
def cookies():
    values = api.request.multi_value_query_string_parameters["v"]
    return Response(200, "text/plain", "", headers={"Set-Cookie": [f"{value}=1" for value in values]})

@api.get("/broken")
def broken():
    raise KeyError("the missing note")
"""
_PICTURE = bytes(range(256))


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("routes")
    (folder / "routes_app.py").write_text(_APP)
    with RunningServer("dev", str(folder / "routes_app.py"), state_folder=folder / "state") as server:
        yield server


def _get(server: RunningServer, path: str) -> tuple[int, object]:
    response = requests.get(server.config["api_url"] + path)
    return response.status_code, response.json()


def test_the_route_that_runs_is_the_one_whose_door_the_caller_has_passed(dev: RunningServer) -> None:
    """`/hall/safe` is open as `/hall/{thing}`. That it fits `/{room}/safe` too must not open the safe."""
    assert _get(dev, "/hall/safe") == (200, {"in the hall": "safe"})
    assert _get(dev, "/cellar/safe")[0] == 403


def test_a_greedy_variable_takes_the_rest_of_the_path_and_leaves_what_is_more_exact(dev: RunningServer) -> None:
    assert _get(dev, "/files/a/b%2Fc") == (200, {"rest": "a/b%2Fc"})
    assert _get(dev, "/files/list") == (200, {"list": []})
    assert _get(dev, "/files")[0] == 403


def test_what_a_route_allows_a_role_is_not_what_lies_below_it(dev: RunningServer) -> None:
    """A `*` in a policy spans slashes: what lets guests call `/notes/{note}` must not let them call its drafts."""
    guest = guest_credentials(dev)

    with requests.Session() as session:
        let_in = session.send(signed(dev, guest, path="/notes/1", headers={}))
        refused = session.send(signed(dev, guest, path="/notes/1/drafts", headers={}))

    assert (let_in.status_code, let_in.json()) == (200, {"note": "1"})
    assert (refused.status_code, refused.headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
    assert refused.json()["Message"].endswith("with an explicit deny in an identity-based policy")


def test_an_empty_part_of_a_path_leads_a_role_to_no_route_that_is_closed_to_it(dev: RunningServer) -> None:
    """A `*` may be nothing, and a variable may not: API Gateway answers `/shelf/open//` by `/shelf/{rest+}`."""
    guest = guest_credentials(dev)

    with requests.Session() as session:
        let_in = session.send(signed(dev, guest, path="/shelf/open/a", headers={}))
        refused = [
            session.send(signed(dev, guest, path=f"/shelf/open{slashes}", headers={}))
            for slashes in ("//", "///", "////")
        ]

    assert (let_in.status_code, let_in.json()) == (200, {"open shelf": "a"})
    for answer in refused:
        assert answer.status_code == 403
        assert answer.json()["Message"].endswith("with an explicit deny in an identity-based policy")


def test_bytes_come_and_go_as_they_are_where_the_app_says_so(dev: RunningServer) -> None:
    address = dev.config["api_url"] + "/picture"
    headers = {"Content-Type": "image/png", "Accept": "image/png"}

    answer = requests.post(address, data=_PICTURE, headers=headers)

    assert (answer.status_code, answer.content) == (200, _PICTURE)


def test_every_cookie_of_an_answer_is_a_line_of_its_own(dev: RunningServer) -> None:
    answer = requests.get(dev.config["api_url"] + "/cookies?v=a&v=b")

    assert answer.raw.headers.getlist("Set-Cookie") == ["a=1", "b=1"]


def test_the_author_is_led_to_the_line_that_failed_and_the_caller_is_not(dev: RunningServer) -> None:
    answer = requests.get(dev.config["api_url"] + "/broken")
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})

    told = _printed(dev, "explain", answer.headers["x-amzn-RequestId"])
    hint = re.search(r"velvetrope (logs \S+ --request-id [0-9a-f-]{36})", told)
    assert hint is not None, told
    shown = _printed(dev, *hint[1].split())
    assert "KeyError: 'the missing note'" in shown
    assert "routes_app.py" in shown


def _printed(server: RunningServer, *words: str) -> str:
    """What a command of the owner's prints."""
    environment = clean_environment(
        VELVETROPE_ROOT_ACCESS_KEY_ID=ROOT_KEY[0], VELVETROPE_ROOT_SECRET_ACCESS_KEY=ROOT_KEY[1]
    )
    command = [sys.executable, "-m", "velvetrope.cli", *words, "--state-folder", str(server.state_folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
