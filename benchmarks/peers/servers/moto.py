"""moto's server, as it is started and with its switch for IAM."""

import requests
from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors import AwsHouse
from benchmarks.peers.doors.door import HasNone
from benchmarks.peers.doors.gateway import Gateway
from benchmarks.peers.doors.principals import document
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Started

__all__ = ["PEERS"]

VERSION = "5.2.5"


class _WithoutGateway(AwsHouse):
    """In server mode a deployed API has no address; API Gateway's operations have."""

    @property
    def gateway(self) -> Gateway:
        raise HasNone("no deployed APIs in server mode")


def _aws(started: Started) -> Aws:
    return Aws(started.url, Credentials("testing", "testing"), lambda _api_id, _stage: "")


def _checking_house(started: Started) -> AwsHouse:
    """With an administrator, who is checked like everybody once the first three calls have made them."""
    aws = _aws(started)
    requests.post(f"{started.url}/moto-api/reset-auth", data="3", timeout=60).raise_for_status()
    iam = aws.client("iam")
    iam.create_user(UserName="administrator")
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_user_policy(UserName="administrator", PolicyName="everything", PolicyDocument=everything)
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    return _WithoutGateway(aws.run_by(Credentials(key["AccessKeyId"], key["SecretAccessKey"])))


def _command(started: Started) -> tuple[str, ...]:
    return (str(started.home / "bin/moto_server"), "--host", "127.0.0.1", "--port", str(started.port))


def _environment(_started: Started) -> dict[str, str]:
    """Its documentation's switch for looking at the codes of authenticator apps."""
    return {"MOTO_COGNITO_IDP_USER_POOL_ENABLE_TOTP": "true"}


_PACKAGE = Package("moto", (f"moto[server]=={VERSION}",))

PEERS = (
    Peer(
        name=f"moto {VERSION}",
        package=_PACKAGE,
        documented='A library for tests. "IAM-like Access Control" is off unless it is switched on, and so are '
        "authenticator codes; deployed APIs are not served in server mode.",
        command=_command,
        environment=_environment,
        house=lambda started: _WithoutGateway(_aws(started)),
        first_call=lambda started: _aws(started).client("sts").get_caller_identity(),
    ),
    Peer(
        name=f"moto {VERSION}, reset-auth",
        package=_PACKAGE,
        documented="The switch (`/moto-api/reset-auth`, or INITIAL_NO_AUTH_ACTION_COUNT) has access keys, their "
        "signatures and identity policies checked.",
        command=_command,
        environment=_environment,
        house=_checking_house,
        first_call=_checking_house,
    ),
)
