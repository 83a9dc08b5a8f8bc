"""Every operation of the wired server is judged as an action on a resource, or listed here with the reason why not."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.iam import NOW, ROOT, call_by
from velvetrope.edge.models import load_service_model
from velvetrope.edge.services import SERVICES
from velvetrope.iam import ControlPlaneJudge, PolicyGatherer
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.operation_rules import UNKNOWN_RESOURCE, OperationRule, has_rule, operation_rule
from velvetrope.operations import Call
from velvetrope.policy import AuthorizationRequest, PrincipalPolicies, evaluate, parse_policy
from velvetrope.principals import Principal
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder
from velvetrope.store.tables.iam import IamStore, User

ABOUT_ANYTHING: dict[tuple[str, str], str] = {}
"""Operations whose resource the request does not tell, with the reason: only who may do them to everything may."""

NOT_JUDGED_HERE = {
    ("sts", "GetCallerIdentity"): "GetCallerIdentity needs no permission",
    ("sts", "AssumeRole"): "AssumeRole is judged together with the role's trust policy",
}
ARN = "arn:aws:iam::111111111111:role/r"
SAMPLES = {
    "role": "r",
    "user": "u",
    "group": "g",
    "moved_group": "g",
    "function": "f",
    "stack": "s",
    "arn": ARN,
    "queue": "http://localhost/111111111111/q",
    "kms_key": "alias/k",
    "kms_ciphertext": b"c",
}


class OneKey:
    """All names and ciphertexts are of one KMS key."""

    async def key_arn(self, name: str, call: Call) -> str:
        return call.arn("kms", f"key/{name}")

    def ciphertext_arn(self, ciphertext: bytes, call: Call) -> str:
        return call.arn("kms", f"key/{len(ciphertext)}")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """All rooms, wired as `velvetrope serve` wires them."""
    folder = StateFolder.open(tmp_path / "state", SystemEntropy())
    server = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
    yield server
    await server.stop()
    folder.close()


def signed_operations(server: Server) -> list[tuple[str, str]]:
    """All that a caller needs a signature for; the others never come before the judge."""
    found = []
    for service, operations in server.dispatcher.operations.implemented().items():
        model = load_service_model(service, SERVICES[service].api_version)
        found += [(service, name) for name in operations if not model.operation(name).is_unsigned]
    return found


def sample_of(rule: OperationRule) -> dict[str, object]:
    """Parameters that name all resources of the rule."""
    parameters: dict[str, object] = {}
    for template in rule.resources:
        if template.startswith("@"):
            kind, _, member = template[1:].partition(":")
            parameters[member] = SAMPLES.get(kind, f"sample-{kind}")
        else:
            for member in set(re.findall(r"{(\w+)[=}]", template)) - {"region", "account"}:
                parameters[member] = f"sample-{member}"
    parameters.pop("Path", None)
    return parameters


async def test_every_operation_has_a_rule_that_says_which_resource(server: Server) -> None:
    without, about_anything = set(), set()
    for service, operation in signed_operations(server):
        if not has_rule(service, operation):
            without.add((service, operation))
        elif UNKNOWN_RESOURCE in operation_rule(service, operation).resources:
            about_anything.add((service, operation))

    assert len(signed_operations(server)) > 200
    assert without == set()
    assert about_anything == set(ABOUT_ANYTHING)


async def test_every_operation_is_asked_as_its_action_on_the_resource_that_the_request_names(server: Server) -> None:
    store = IamStore(server.foundation.database)
    judge = ControlPlaneJudge(store, PolicyGatherer(store, server.foundation.database.changes), keys=OneKey())

    for service, operation in signed_operations(server):
        rule = operation_rule(service, operation)
        judged = await judge.judge(service, operation, sample_of(rule), call_by(ROOT))

        assert judged.action == rule.action, (service, operation)
        if rule.resources and rule.resources != ("@key:AccessKeyId",):
            assert judged.resource.startswith("arn:aws:"), (service, operation, judged.resource)
            assert "{" not in judged.resource, (service, operation, judged.resource)
        else:
            assert judged.resource == "*", (service, operation)
        reason = judged.decision.step
        assert reason == NOT_JUDGED_HERE.get((service, operation), "the root user of the account"), operation


async def allowed_operations(server: Server, caller: Principal) -> set[tuple[str, str]]:
    store = IamStore(server.foundation.database)
    judge = ControlPlaneJudge(store, PolicyGatherer(store, server.foundation.database.changes), keys=OneKey())
    return {
        (service, operation)
        for service, operation in signed_operations(server)
        if (
            await judge.judge(service, operation, sample_of(operation_rule(service, operation)), call_by(caller))
        ).decision.allowed
    }


async def test_nobody_without_a_policy_may_do_anything_but_what_needs_none(server: Server) -> None:
    account = ROOT.account_id
    arn = f"arn:aws:iam::{account}:user/n"
    user = User(account_id=account, user_name="n", user_id="AIDAN", arn=arn, path="/", created_at=NOW)
    assert await IamStore(server.foundation.database).save_new_user(user)

    allowed = await allowed_operations(server, Principal("User", account, arn, arn, "AIDAN", "n"))

    assert allowed == {*NOT_JUDGED_HERE, ("sts", "GetSessionToken")}


async def test_a_user_who_is_gone_may_do_only_what_is_not_judged(server: Server) -> None:
    account = ROOT.account_id
    arn = f"arn:aws:iam::{account}:user/n"

    allowed = await allowed_operations(server, Principal("User", account, arn, arn, "AIDAN", "n"))

    assert allowed == set(NOT_JUDGED_HERE)


def test_a_read_only_auditor_reads_every_service_and_changes_none(server: Server) -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    auditor = PrincipalPolicies(
        identity=(parse_policy(aws_managed_policies()[arn].document, kind="identity", source=arn),)
    )
    caller = Principal("User", ROOT.account_id, "arn:aws:iam::1:user/a", "arn:aws:iam::1:user/a", "AIDAA", "a")

    actions = {operation_rule(service, operation).action for service, operation in signed_operations(server)}
    allowed = {
        action
        for action in actions
        if evaluate(AuthorizationRequest(caller, action, "*", ROOT.account_id, {}, auditor)).allowed
    }

    assert {action.partition(":")[0] for action in allowed} == {action.partition(":")[0] for action in actions}
    changing = re.compile(
        r"\w[\w-]*:(Create|Delete|Put|Update|Set|Add|Remove|Attach|Detach|Tag|Untag|Send|Purge|Invoke)"
    )
    assert [action for action in allowed if changing.match(action)] == []
