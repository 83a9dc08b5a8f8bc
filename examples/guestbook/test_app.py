"""The guestbook's locks, tried by the clients that will call it."""

import json
import subprocess

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The app on a server of its own; what `velvetrope env` says of it."""
    state = str(tmp_path_factory.mktemp("app") / "state")
    command = ["velvetrope", "dev", "app.py", "--no-reload", "--port", "0", "--state-folder", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert any("Ctrl-C stops the server" in line for line in server.stdout), "it did not start"
        yield json.loads(subprocess.check_output(["velvetrope", "env", "--format", "json", "--state-folder", state]))
        server.terminate()


def client(app, service):
    unsigned = Config(signature_version=UNSIGNED)
    return boto3.client(service, endpoint_url=app["endpoint_url"], region_name=app["region"], config=unsigned)


def id_token(app):
    ada = {"USERNAME": "ada", "PASSWORD": "Correct-horse-1"}
    signed_in = client(app, "cognito-idp").initiate_auth(
        ClientId=app["user_pool_client_id"], AuthFlow="USER_PASSWORD_AUTH", AuthParameters=ada
    )
    return signed_in["AuthenticationResult"]["IdToken"]


def credentials(app, **logins):
    """Temporary credentials: of a guest, or of whoever `logins` proves to be there."""
    identities = client(app, "cognito-identity")
    identity_id = identities.get_id(IdentityPoolId=app["identity_pool_id"], **logins)["IdentityId"]
    keys = identities.get_credentials_for_identity(IdentityId=identity_id, **logins)["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretKey"], keys["SessionToken"])
    return session.get_credentials()


def write_note(app, who):
    request = AWSRequest("POST", app["api_url"] + "/notes", data=json.dumps({"text": "hello"}))
    SigV4Auth(who, "execute-api", app["region"]).add_auth(request)
    return requests.post(request.url, data=request.body, headers=dict(request.headers))


def test_a_reader_needs_the_key(app):
    assert requests.get(app["api_url"] + "/notes").status_code == 403
    assert requests.get(app["api_url"] + "/notes", headers={"x-api-key": app["api_key"]}).status_code == 200


def test_a_guest_may_not_write(app):
    answer = write_note(app, credentials(app))

    assert answer.status_code == 403
    assert "is not authorized to perform: execute-api:Invoke" in answer.json()["Message"]


def test_whoever_signed_in_may_write(app):
    issuer = f"cognito-idp.{app['region']}.amazonaws.com/{app['user_pool_id']}"

    answer = write_note(app, credentials(app, Logins={issuer: id_token(app)}))

    assert (answer.status_code, answer.json()) == (201, {"written": "hello"})


def test_only_moderators_take_notes_down(app):
    note = app["api_url"] + "/notes/1"

    assert requests.delete(note).status_code == 401
    assert requests.delete(note, headers={"Authorization": id_token(app)}).status_code == 403
