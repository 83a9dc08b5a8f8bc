"""What administrators of a pool set up for its people, by boto3: terms, sessions of browsers, logs of deliveries."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user, signed
from support.running import ROOT_KEY, RunningServer


@dataclass
class Office:
    """A server whose mails arrive nowhere, a pool with a client, and an administrator's client for it."""

    server: RunningServer
    cognito: Any
    pool_id: str
    client_id: str

    @property
    def named(self) -> dict[str, str]:
        return {"UserPoolId": self.pool_id, "ClientId": self.client_id}

    def as_user(self, name: str, *statements: dict[str, Any]) -> Any:
        credentials: Credentials = new_user(self.server, name, *statements)
        return aws_client(self.server, "cognito-idp", credentials)

    def pool_arn(self) -> str:
        return str(self.cognito.describe_user_pool(UserPoolId=self.pool_id)["UserPool"]["Arn"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        environment = {
            "VELVETROPE_SMTP_URL": f"smtp://127.0.0.1:{nobody.getsockname()[1]}",
            "VELVETROPE_MAIL_FROM": "no-reply@example.com",
        }
        folder = tmp_path_factory.mktemp("office") / "state"
        with RunningServer("serve", state_folder=folder, environment=environment) as server:
            cognito = aws_client(server, "cognito-idp")
            pool = cognito.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]
            client = cognito.create_user_pool_client(UserPoolId=pool["Id"], ClientName="web")["UserPoolClient"]
            yield Office(server, cognito, pool["Id"], client["ClientId"])


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def allow(resource: str, *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"cognito-idp:{action}" for action in actions], "Resource": resource}


def terms(links: dict[str, str], **changes: str) -> dict[str, Any]:
    return {"TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE", "Links": links, **changes}


def test_terms_are_made_read_listed_changed_and_deleted(office: Office) -> None:
    cognito, pool = office.cognito, {"UserPoolId": office.pool_id}
    links = {"cognito:default": "https://example.com/terms", "cognito:chinese-simplified": "https://example.com/zh"}

    made = cognito.create_terms(**office.named, **terms(links))["Terms"]
    shown = cognito.describe_terms_by_client(**office.named, TermsName="terms-of-use")["Terms"]
    listed = cognito.list_terms(**pool, MaxResults=1)
    changed = cognito.update_terms(**pool, TermsId=made["TermsId"], Links={"cognito:default": "https://example.com/2"})
    taken = refusal(lambda: cognito.create_terms(**office.named, **terms(links)))
    cognito.delete_terms(**pool, TermsId=made["TermsId"])
    gone = refusal(lambda: cognito.describe_terms(**pool, TermsId=made["TermsId"]))

    assert made["Links"] == links
    assert shown == made
    assert [one["TermsId"] for one in listed["Terms"]] == [made["TermsId"]]
    assert changed["Terms"]["Links"] == {"cognito:default": "https://example.com/2"}
    assert taken[:2] == ("TermsExistsException", 400)
    assert gone[:2] == ("ResourceNotFoundException", 400)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"TermsName": "house-rules"}, "termsName"),
        ({"Enforcement": "TICK"}, "enforcement"),
        ({"TermsSource": "TEXT"}, "termsSource"),
        ({"Links": {"cognito:klingon": "https://example.com/"}}, "links"),
        ({"Links": {"cognito:default": "has blanks in it"}}, "links"),
    ],
)
def test_terms_are_what_the_model_says(office: Office, changes: dict[str, Any], says: str) -> None:
    asked = {**terms({"cognito:default": "https://example.com/"}), **changes}

    code, status, message = refusal(lambda: office.cognito.create_terms(**office.named, **asked))

    assert (code, status) == ("InvalidParameterException", 400)
    assert says in message


def test_terms_need_the_permission_of_their_pool(office: Office) -> None:
    arn = office.pool_arn()
    reader = office.as_user("terms-reader", allow(arn, "DescribeTerms", "DescribeTermsByClient", "ListTerms"))
    elsewhere = office.as_user("terms-elsewhere", allow(arn + "x", "CreateTerms", "ListTerms"))

    assert reader.list_terms(UserPoolId=office.pool_id)["Terms"] == []
    for cognito, call in (
        (reader, lambda c: c.create_terms(**office.named, **terms({"cognito:default": "https://example.com/"}))),
        (reader, lambda c: c.delete_terms(UserPoolId=office.pool_id, TermsId="b8a7b1f2-3f6d-4d59-8f4f-0f9f0e0d0c0b")),
        (elsewhere, lambda c: c.create_terms(**office.named, **terms({"cognito:default": "https://example.com/"}))),
        (elsewhere, lambda c: c.list_terms(UserPoolId=office.pool_id)),
    ):
        code, _, message = refusal(lambda cognito=cognito, call=call: call(cognito))  # type: ignore[misc]  # bound now
        assert code == "AccessDeniedException"
        assert arn in message


def test_a_client_s_browser_sessions_are_set_where_sessions_are_tracked(office: Office) -> None:
    cognito = office.cognito
    asked = {**office.named, "SSOSession": {"MaxValidityMinutes": 120}}

    untracked = refusal(lambda: cognito.set_user_pool_client_session_configuration(**asked))
    cognito.set_user_pool_session_configuration(
        UserPoolId=office.pool_id, UserSessionTracking="ENABLED", TokenSession={"MaxPerUser": 5}
    )
    answer = cognito.set_user_pool_client_session_configuration(**asked)
    kept = cognito.get_user_pool_client_session_configuration(**office.named)
    too_long = refusal(
        lambda: cognito.set_user_pool_client_session_configuration(
            **office.named, SSOSession={"MaxValidityMinutes": 129601}
        )
    )

    assert untracked[:2] == ("InvalidParameterException", 400)
    assert answer["SSOSession"] == kept["SSOSession"] == {"MaxValidityMinutes": 120}
    assert too_long[:2] == ("InvalidParameterException", 400)


def test_a_client_s_browser_sessions_need_the_permission_of_their_pool(office: Office) -> None:
    reader = office.as_user("sso-reader", allow(office.pool_arn(), "GetUserPoolClientSessionConfiguration"))

    assert reader.get_user_pool_client_session_configuration(**office.named)["ClientId"] == office.client_id
    code, _, _ = refusal(
        lambda: reader.set_user_pool_client_session_configuration(**office.named, SSOSession={"MaxValidityMinutes": 0})
    )
    assert code == "AccessDeniedException"


def to_group(arn: str, **changes: str) -> list[dict[str, Any]]:
    wanted = {"LogLevel": "ERROR", "EventSource": "userNotification", **changes}
    return [{**wanted, "CloudWatchLogsConfiguration": {"LogGroupArn": arn}}]


def test_what_could_not_be_delivered_is_read_in_the_pool_s_log_group(office: Office) -> None:
    cognito, logs = office.cognito, aws_client(office.server, "logs")
    logs.create_log_group(logGroupName="failures")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]

    answer = cognito.set_log_delivery_configuration(UserPoolId=office.pool_id, LogConfigurations=to_group(arn))
    cognito.sign_up(
        ClientId=office.client_id,
        Username="anna",
        Password="Password-1",
        UserAttributes=[{"Name": "email", "Value": "anna@people.example"}],
    )
    events = _wait_for(lambda: logs.filter_log_events(logGroupName="failures")["events"])

    told = json.loads(events[0]["message"])
    assert answer["LogDeliveryConfiguration"]["LogConfigurations"] == to_group(arn)
    assert (told["eventSource"], told["logLevel"]) == ("USER_NOTIFICATION", "ERROR")
    assert told["logSourceId"] == {"userPoolId": office.pool_id}
    assert "(EMAIL) was not delivered" in told["message"]["details"]


def _wait_for(ask: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What `ask` answers once it is something."""
    between = threading.Event()
    for _ in range(600):
        found = ask()
        if found:
            return found
        between.wait(0.05)
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"EventSource": "userAuthEvents"}, "EventSource: "), ({"LogLevel": "INFO"}, "LogLevel: ")],
)
def test_logs_that_are_not_kept_here_are_refused_by_name(office: Office, changes: dict[str, str], says: str) -> None:
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:failures"

    code, _, message = refusal(
        lambda: office.cognito.set_log_delivery_configuration(
            UserPoolId=office.pool_id, LogConfigurations=to_group(arn, **changes)
        )
    )

    assert code == "InvalidParameterException"
    assert f"SetLogDeliveryConfiguration.LogConfigurations.{says}" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S3Configuration", {"BucketArn": "arn:aws:s3:::bucket"}),
        ("FirehoseConfiguration", {"StreamArn": "arn:aws:firehose:us-west-2:123456789012:deliverystream/s"}),
    ],
)
def test_buckets_and_streams_are_refused_by_name(office: Office, name: str, value: dict[str, str]) -> None:
    wanted = {"LogLevel": "ERROR", "EventSource": "userNotification", name: value}

    code, _, message = refusal(
        lambda: office.cognito.set_log_delivery_configuration(UserPoolId=office.pool_id, LogConfigurations=[wanted])
    )

    assert code == "InvalidParameterException"
    assert name in message


@pytest.mark.parametrize(
    ("operation", "parameters", "member"),
    [
        ("CreateUserPool", {"PoolName": "p", "Surprise": 1}, "Surprise"),
        (
            "CreateUserPool",
            {"PoolName": "p", "Policies": {"PasswordPolicy": {"Surprise": 1}}},
            "Policies.PasswordPolicy",
        ),
        ("CreateUserPool", {"PoolName": "p", "Schema": [{"Name": "n", "Surprise": 1}]}, "Schema.Surprise"),
        ("CreateUserPool", {"PoolName": "p", "KeyConfiguration": {}}, "KeyConfiguration"),
        ("SetRiskConfiguration", {}, "SetRiskConfiguration"),
        ("AdminListUserAuthEvents", {"Username": "anna"}, "AdminListUserAuthEvents"),
        ("ListUserPoolReplicas", {}, "ListUserPoolReplicas"),
    ],
)
def test_what_is_not_known_here_is_refused_by_its_name_at_any_depth(
    office: Office, operation: str, parameters: dict[str, Any], member: str
) -> None:
    """Sent as it is: boto3 itself lets no unknown member through."""
    pool = {} if operation == "CreateUserPool" else {"UserPoolId": office.pool_id}

    request = signed(
        office.server,
        Credentials(*ROOT_KEY),
        method="POST",
        url=office.server.url,
        service="cognito-idp",
        data=json.dumps({**pool, **parameters}).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        },
    )
    with requests.Session() as session:
        answer = session.send(request, timeout=30)

    assert answer.status_code == (501 if member == operation else 400)
    assert member in answer.text
