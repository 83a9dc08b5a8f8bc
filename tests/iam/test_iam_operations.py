"""IAM's operations: what they answer, what they refuse, in AWS's words."""

import json
from collections.abc import Awaitable
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import text

from support.iam import ACCOUNT, LAMBDA_TRUST, ROOT, Iam, allow, document, make_role, make_user, trust
from velvetrope.errors import ServiceError
from velvetrope.iam.tags import Tag

BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
ANYTHING = document(allow("*"))
NO_ROLE = "The role with name X cannot be found."
NO_USER = "The user with name X cannot be found."
MINE = f"arn:aws:iam::{ACCOUNT}:policy/X"
ANY_POOL = (
    "The trust policy must limit the identity pools that can assume the role: add a condition on "
    "cognito-identity.amazonaws.com:aud."
)


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    """The code and the text with which the call is refused."""
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


async def test_a_new_role_is_shown_with_its_trust_policy_encoded(iam: Iam) -> None:
    created = await iam.call(
        "create_role",
        role_name="Reader",
        path="/app/",
        description="reads",
        max_session_duration=7200,
        assume_role_policy_document=LAMBDA_TRUST,
    )

    role = (await iam.call("get_role", role_name="Reader"))["role"]
    assert created["role"]["arn"] == role["arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/Reader"
    assert role["role_id"].startswith("AROA")
    assert unquote(role["assume_role_policy_document"]) == LAMBDA_TRUST
    assert " " not in role["assume_role_policy_document"]
    assert (role["description"], role["max_session_duration"], role["role_last_used"]) == ("reads", 7200, {})


async def test_a_role_name_is_taken_in_any_case(iam: Iam) -> None:
    await make_role(iam, name="Reader")

    again = iam.call("create_role", role_name="READER", assume_role_policy_document=LAMBDA_TRUST)

    assert await refused(again) == ("EntityAlreadyExists", "Role with name READER already exists.")


@pytest.mark.parametrize(
    ("operation", "members", "text"),
    [
        ("get_role", {"role_name": "X"}, NO_ROLE),
        ("delete_role", {"role_name": "X"}, NO_ROLE),
        ("update_role", {"role_name": "X"}, NO_ROLE),
        ("list_role_policies", {"role_name": "X"}, NO_ROLE),
        ("put_role_policy", {"role_name": "X", "policy_name": "p", "policy_document": ANYTHING}, NO_ROLE),
        ("attach_role_policy", {"role_name": "X", "policy_arn": BASIC_EXECUTION}, NO_ROLE),
        ("detach_role_policy", {"role_name": "X", "policy_arn": BASIC_EXECUTION}, NO_ROLE),
        ("tag_role", {"role_name": "X", "tags": ()}, NO_ROLE),
        ("get_user", {"user_name": "X"}, NO_USER),
        ("delete_user", {"user_name": "X"}, NO_USER),
        ("create_access_key", {"user_name": "X"}, NO_USER),
        ("list_access_keys", {"user_name": "X"}, NO_USER),
        ("delete_user_policy", {"user_name": "X", "policy_name": "p"}, NO_USER),
        ("get_policy", {"policy_arn": MINE}, f"Policy {MINE} was not found."),
        ("get_policy", {"policy_arn": "arn:aws:iam::aws:policy/X"}, "Policy arn:aws:iam::aws:policy/X was not found."),
        ("delete_policy", {"policy_arn": MINE}, f"Policy {MINE} was not found."),
    ],
)  # fmt: skip
async def test_what_is_not_there_cannot_be_found(iam: Iam, operation: str, members: dict[str, Any], text: str) -> None:
    assert await refused(iam.call(operation, **members)) == ("NoSuchEntity", text)


async def test_roles_are_listed_in_pages(iam: Iam) -> None:
    for name in "abcde":
        await make_role(iam, name=name, path="/x/" if name in "ace" else "/")

    first = await iam.call("list_roles", max_items=2)
    second = await iam.call("list_roles", max_items=2, marker=first["marker"])
    last = await iam.call("list_roles", max_items=2, marker=second["marker"])

    assert [[role["role_name"] for role in page["roles"]] for page in (first, second, last)] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]
    assert [page["is_truncated"] for page in (first, second, last)] == [True, True, False]
    assert last["marker"] is None
    assert len((await iam.call("list_roles", path_prefix="/x/"))["roles"]) == 3
    assert await refused(iam.call("list_roles", marker="%")) == ("ValidationError", "Invalid Marker.")


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("not json", "This policy contains invalid Json"),
        (trust("*"), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
        (
            trust({"AWS": f"arn:aws:iam::{ACCOUNT}:role/none"}),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:role/none"',
        ),
        (
            trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/none"}),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/none"',
        ),
        (
            trust({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity"),
            ANY_POOL,
        ),
        (
            trust(
                {"Federated": "cognito-identity.amazonaws.com"},
                "sts:*",
                {"StringLike": {"cognito-identity.amazonaws.com:aud": "*"}},
            ),
            ANY_POOL,
        ),
    ],
)
async def test_a_trust_policy_is_checked_when_saved(iam: Iam, policy: str, text: str) -> None:
    made = iam.call("create_role", role_name="R", assume_role_policy_document=policy)

    assert await refused(made) == ("MalformedPolicyDocument", text)


async def test_a_trust_policy_for_one_identity_pool_is_accepted(iam: Iam) -> None:
    policy = trust(
        {"Federated": "cognito-identity.amazonaws.com"},
        ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        {"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-west-2:1"}},
    )

    assert await iam.call("create_role", role_name="R", assume_role_policy_document=policy)


async def test_a_role_in_a_trust_policy_is_kept_by_its_id(iam: Iam) -> None:
    """So that a role made later under the same name is not trusted."""
    first = await make_role(iam, name="First", path="/p/")
    alice = await make_user(iam)
    policy = trust({"AWS": [first.policy_arn, alice.arn, "222222222222"]})
    await iam.call("create_role", role_name="Second", assume_role_policy_document=LAMBDA_TRUST)

    await iam.call("update_assume_role_policy", role_name="Second", policy_document=policy)

    stored = await iam.store.load_role(ACCOUNT, "Second")
    assert stored is not None
    role_id = first.unique_id.partition(":")[0]
    kept = json.loads(stored.assume_role_policy_document)["Statement"][0]["Principal"]["AWS"]
    assert kept == [role_id, alice.unique_id, "222222222222"]
    shown = (await iam.call("get_role", role_name="Second"))["role"]["assume_role_policy_document"]
    assert unquote(shown) == policy
    await iam.call("delete_role", role_name="First")
    await make_role(iam, name="First", path="/p/")
    shown = (await iam.call("get_role", role_name="Second"))["role"]["assume_role_policy_document"]
    assert role_id in unquote(shown)


async def test_a_role_name_in_a_condition_is_not_mistaken_for_a_principal(iam: Iam) -> None:
    first = await make_role(iam, name="First")
    policy = trust({"AWS": first.policy_arn}, condition={"ArnEquals": {"aws:PrincipalArn": first.policy_arn}})

    await iam.call("create_role", role_name="Second", assume_role_policy_document=policy)

    shown = (await iam.call("get_role", role_name="Second"))["role"]["assume_role_policy_document"]
    assert json.loads(unquote(shown)) == json.loads(policy)


async def test_a_role_with_policies_is_not_deleted(iam: Iam) -> None:
    await make_role(iam, allow("*"), name="R")
    await iam.call("attach_role_policy", role_name="R", policy_arn=BASIC_EXECUTION)

    code, text = await refused(iam.call("delete_role", role_name="R"))
    assert (code, text) == ("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    await iam.call("detach_role_policy", role_name="R", policy_arn=BASIC_EXECUTION)
    code, text = await refused(iam.call("delete_role", role_name="R"))
    assert (code, text) == ("DeleteConflict", "Cannot delete entity, must delete policies first.")
    await iam.call("delete_role_policy", role_name="R", policy_name="own")
    assert await iam.call("delete_role", role_name="R") is None


async def test_an_inline_policy_is_put_shown_and_deleted(iam: Iam) -> None:
    await make_role(iam, name="R")

    await iam.call("put_role_policy", role_name="R", policy_name="p", policy_document=ANYTHING)

    shown = await iam.call("get_role_policy", role_name="R", policy_name="p")
    assert (shown["role_name"], shown["policy_name"]) == ("R", "p")
    assert unquote(shown["policy_document"]) == ANYTHING
    assert (await iam.call("list_role_policies", role_name="R"))["policy_names"] == ["p"]
    await iam.call("delete_role_policy", role_name="R", policy_name="p")
    missing = ("NoSuchEntity", "The role policy with name p cannot be found.")
    assert await refused(iam.call("get_role_policy", role_name="R", policy_name="p")) == missing
    assert await refused(iam.call("delete_role_policy", role_name="R", policy_name="p")) == missing


async def test_a_user_s_inline_policy_is_the_user_s(iam: Iam) -> None:
    await make_user(iam, allow("*"))

    assert (await iam.call("list_user_policies", user_name="alice"))["policy_names"] == ["own"]
    assert (await iam.call("get_user_policy", user_name="alice", policy_name="own"))["user_name"] == "alice"
    missing = await refused(iam.call("get_user_policy", user_name="alice", policy_name="other"))
    assert missing == ("NoSuchEntity", "The user policy with name other cannot be found.")


async def test_inline_policies_together_have_a_limit(iam: Iam) -> None:
    await make_user(iam)
    long = document(allow([f"s3:Get{n:0100}" for n in range(18)]))
    await iam.call("put_user_policy", user_name="alice", policy_name="one", policy_document=long)

    more = iam.call("put_user_policy", user_name="alice", policy_name="two", policy_document=long)

    assert await refused(more) == ("LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user alice")


async def test_white_space_does_not_count(iam: Iam) -> None:
    await make_user(iam)
    spaced = ANYTHING.replace(" ", " " * 500)

    assert await iam.call("put_user_policy", user_name="alice", policy_name="p", policy_document=spaced) is None


async def test_a_malformed_policy_is_refused_in_the_policy_room_s_words(iam: Iam) -> None:
    await make_role(iam, name="R")
    put = iam.call("put_role_policy", role_name="R", policy_name="p", policy_document='{"Statement":{}}')

    assert await refused(put) == ("MalformedPolicyDocument", "Syntax errors in policy.")


async def test_managed_policies_are_attached_and_listed_by_path(iam: Iam) -> None:
    await make_role(iam, name="R")
    for arn in (BASIC_EXECUTION, "arn:aws:iam::aws:policy/ReadOnlyAccess"):
        await iam.call("attach_role_policy", role_name="R", policy_arn=arn)

    listed = await iam.call("list_attached_role_policies", role_name="R")
    in_path = await iam.call("list_attached_role_policies", role_name="R", path_prefix="/service-role/")

    assert [p["policy_name"] for p in listed["attached_policies"]] == ["ReadOnlyAccess", "AWSLambdaBasicExecutionRole"]
    assert in_path["attached_policies"] == [
        {"policy_name": "AWSLambdaBasicExecutionRole", "policy_arn": BASIC_EXECUTION}
    ]


async def test_what_is_not_there_is_not_attached_and_not_detached(iam: Iam) -> None:
    await make_user(iam)
    for arn in ("arn:aws:iam::aws:policy/NoSuchPolicy", f"arn:aws:iam::{ACCOUNT}:policy/NoSuchPolicy"):
        attach = iam.call("attach_user_policy", user_name="alice", policy_arn=arn)
        assert await refused(attach) == ("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
        detach = iam.call("detach_user_policy", user_name="alice", policy_arn=arn)
        assert await refused(detach) == ("NoSuchEntity", f"Policy {arn} was not found.")


async def test_the_eleventh_policy_is_one_too_many(iam: Iam) -> None:
    await make_role(iam, name="R")
    for n in range(10):
        made = await iam.call("create_policy", policy_name=f"p{n}", policy_document=ANYTHING)
        await iam.call("attach_role_policy", role_name="R", policy_arn=made["policy"]["arn"])

    more = iam.call("attach_role_policy", role_name="R", policy_arn=BASIC_EXECUTION)

    assert await refused(more) == ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")


async def test_a_managed_policy_has_versions_of_which_one_counts(iam: Iam) -> None:
    arn = (await iam.call("create_policy", policy_name="P", policy_document=ANYTHING, path="/x/"))["policy"]["arn"]
    second = document(allow("s3:*"))
    await iam.call("create_policy_version", policy_arn=arn, policy_document=second, set_as_default=True)

    policy = (await iam.call("get_policy", policy_arn=arn))["policy"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/x/P"
    assert (policy["default_version_id"], policy["attachment_count"]) == ("v2", 0)
    version = (await iam.call("get_policy_version", policy_arn=arn, version_id="v2"))["policy_version"]
    assert (unquote(version["document"]), version["is_default_version"]) == (second, True)
    code, text = await refused(iam.call("delete_policy_version", policy_arn=arn, version_id="v2"))
    assert (code, text) == ("DeleteConflict", "Cannot delete the default version of a policy.")
    code, text = await refused(iam.call("delete_policy", policy_arn=arn))
    assert code == "DeleteConflict"
    assert text.startswith("This policy has more than one version.")
    await iam.call("set_default_policy_version", policy_arn=arn, version_id="v1")
    await iam.call("delete_policy_version", policy_arn=arn, version_id="v2")
    await iam.call("create_policy_version", policy_arn=arn, policy_document=second)
    versions = (await iam.call("list_policy_versions", policy_arn=arn))["versions"]
    assert [(v["version_id"], v["is_default_version"]) for v in versions] == [("v1", True), ("v3", False)]
    code, text = await refused(iam.call("get_policy_version", policy_arn=arn, version_id="v2"))
    assert (code, text) == ("NoSuchEntity", f"Policy {arn} version v2 does not exist or is not attachable.")


async def test_a_sixth_version_is_one_too_many(iam: Iam) -> None:
    arn = (await iam.call("create_policy", policy_name="P", policy_document=ANYTHING))["policy"]["arn"]
    for _ in range(4):
        await iam.call("create_policy_version", policy_arn=arn, policy_document=ANYTHING)

    code, text = await refused(iam.call("create_policy_version", policy_arn=arn, policy_document=ANYTHING))

    assert code == "LimitExceeded"
    assert text.startswith("A managed policy can have up to 5 versions.")


async def test_a_policy_in_use_is_not_deleted(iam: Iam) -> None:
    arn = (await iam.call("create_policy", policy_name="P", policy_document=ANYTHING))["policy"]["arn"]
    await make_user(iam)
    await make_role(iam, name="R", permissions_boundary=arn)
    await iam.call("attach_user_policy", user_name="alice", policy_arn=arn)

    conflict = ("DeleteConflict", "Cannot delete a policy attached to entities.")
    assert await refused(iam.call("delete_policy", policy_arn=arn)) == conflict
    policy = (await iam.call("get_policy", policy_arn=arn))["policy"]
    assert (policy["attachment_count"], policy["permissions_boundary_usage_count"]) == (1, 1)
    entities = await iam.call("list_entities_for_policy", policy_arn=arn)
    assert [user["user_name"] for user in entities["policy_users"]] == ["alice"]
    assert [role["role_name"] for role in entities["policy_roles"]] == ["R"]
    await iam.call("detach_user_policy", user_name="alice", policy_arn=arn)
    assert await refused(iam.call("delete_policy", policy_arn=arn)) == conflict
    await iam.call("delete_role_permissions_boundary", role_name="R")
    assert await iam.call("delete_policy", policy_arn=arn) is None


async def test_a_managed_policy_must_be_of_the_newer_version(iam: Iam) -> None:
    for version in ('"Version":"2008-10-17",', ""):
        old = "{" + version + '"Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}'
        made = iam.call("create_policy", policy_name="P", policy_document=old)
        assert await refused(made) == (
            "MalformedPolicyDocument",
            "Policy document must be version 2012-10-17 or greater.",
        )


async def test_a_managed_policy_has_a_limit(iam: Iam) -> None:
    long = document(allow([f"s3:Get{n:0100}" for n in range(60)]))

    made = iam.call("create_policy", policy_name="P", policy_document=long)

    assert await refused(made) == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")


async def test_policies_are_listed_by_scope_and_use(iam: Iam) -> None:
    arn = (await iam.call("create_policy", policy_name="P", policy_document=ANYTHING))["policy"]["arn"]
    await make_role(iam, name="R")
    await iam.call("attach_role_policy", role_name="R", policy_arn=BASIC_EXECUTION)

    async def arns(**members: Any) -> list[str]:
        return [p["arn"] for p in (await iam.call("list_policies", max_items=1000, **members))["policies"]]

    assert await arns(scope="Local") == [arn]
    assert arn not in await arns(scope="AWS")
    assert {arn, BASIC_EXECUTION} < set(await arns())
    assert await arns(only_attached=True) == [BASIC_EXECUTION]
    assert await arns(policy_usage_filter="PermissionsBoundary") == []
    assert BASIC_EXECUTION in await arns(path_prefix="/service-role/")
    assert arn not in await arns(path_prefix="/service-role/")


async def test_aws_s_own_policies_are_read_and_never_changed(iam: Iam) -> None:
    policy = (await iam.call("get_policy", policy_arn=BASIC_EXECUTION))["policy"]
    version = (await iam.call("get_policy_version", policy_arn=BASIC_EXECUTION, version_id="v1"))["policy_version"]

    assert (policy["policy_name"], policy["path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    assert "logs:PutLogEvents" in unquote(version["document"])
    code, _ = await refused(iam.call("delete_policy", policy_arn=BASIC_EXECUTION))
    assert code == "UnmodifiableEntity"


async def test_tags_are_added_replaced_in_any_case_and_removed(iam: Iam) -> None:
    await make_role(iam, name="R", tags=(Tag(key="Team", value="a"), Tag(key="Env", value="x")))

    await iam.call("tag_role", role_name="R", tags=(Tag(key="TEAM", value="b"),))
    await iam.call("untag_role", role_name="R", tag_keys=("env",))

    assert (await iam.call("list_role_tags", role_name="R"))["tags"] == [{"key": "TEAM", "value": "b"}]
    code, text = await refused(
        iam.call("tag_role", role_name="R", tags=(Tag(key="a", value=""), Tag(key="A", value="")))
    )
    assert (code, text) == (
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    many = tuple(Tag(key=f"k{n}", value="") for n in range(50))
    assert (await refused(iam.call("tag_role", role_name="R", tags=many)))[0] == "LimitExceeded"


async def test_a_boundary_must_exist(iam: Iam) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
    made = iam.call("create_user", user_name="bob", permissions_boundary=arn)

    assert await refused(made) == ("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.")
    await make_user(iam, permissions_boundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    user = (await iam.call("get_user", user_name="alice"))["user"]
    assert user["permissions_boundary"]["permissions_boundary_arn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"


async def test_a_key_s_secret_is_shown_once_and_opens_the_door(iam: Iam) -> None:
    alice = await make_user(iam)

    made = (await iam.call("create_access_key", caller=alice))["access_key"]

    assert made["access_key_id"].startswith("AKIA")
    assert len(made["secret_access_key"]) == 40
    [listed] = (await iam.call("list_access_keys", user_name="alice"))["access_key_metadata"]
    assert listed == {key: value for key, value in made.items() if key != "secret_access_key"}
    found = await iam.keys.find_access_key(made["access_key_id"], made["create_date"])
    assert found is not None
    assert found.secret_access_key.reveal() == made["secret_access_key"]
    assert (found.principal.arn, found.principal.unique_id) == (alice.arn, alice.unique_id)


async def test_the_secret_is_nowhere_in_the_database(iam: Iam) -> None:
    await make_user(iam)

    secret = (await iam.call("create_access_key", user_name="alice"))["access_key"]["secret_access_key"]

    async with iam.database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM iam_access_keys"))
        assert secret not in repr(rows.all())


async def test_a_key_that_is_switched_off_or_deleted_signs_nothing(iam: Iam) -> None:
    await make_user(iam)
    made = (await iam.call("create_access_key", user_name="alice"))["access_key"]
    key_id, now = made["access_key_id"], made["create_date"]
    assert await iam.keys.find_access_key(key_id, now)

    await iam.call("update_access_key", user_name="alice", access_key_id=key_id, status="Inactive")
    assert await iam.keys.find_access_key(key_id, now) is None
    await iam.call("update_access_key", user_name="alice", access_key_id=key_id, status="Active")
    assert await iam.keys.find_access_key(key_id, now)
    await iam.call("delete_access_key", user_name="alice", access_key_id=key_id)
    assert await iam.keys.find_access_key(key_id, now) is None
    gone = iam.call("delete_access_key", user_name="alice", access_key_id=key_id)
    assert await refused(gone) == ("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")


async def test_a_third_key_is_one_too_many(iam: Iam) -> None:
    await make_user(iam)
    for _ in range(2):
        await iam.call("create_access_key", user_name="alice")

    more = iam.call("create_access_key", user_name="alice")

    assert await refused(more) == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    code, text = await refused(iam.call("delete_user", user_name="alice"))
    assert (code, text) == ("DeleteConflict", "Cannot delete entity, must delete access keys first.")


async def test_who_is_no_user_must_say_which_user(iam: Iam) -> None:
    role = await make_role(iam)

    for operation in ("get_user", "create_access_key", "list_access_keys"):
        assert await refused(iam.call(operation, caller=role)) == (
            "ValidationError",
            "Must specify userName when calling with non-User credentials",
        )


async def test_the_root_user_sees_itself(iam: Iam) -> None:
    assert (await iam.call("get_user"))["user"]["arn"] == ROOT.arn


async def test_users_are_made_listed_tagged_and_deleted(iam: Iam) -> None:
    await make_user(iam, name="bob", path="/staff/", tags=(Tag(key="k", value="v"),))
    await make_user(iam, name="alice")

    assert [u["user_name"] for u in (await iam.call("list_users"))["users"]] == ["alice", "bob"]
    assert [u["user_name"] for u in (await iam.call("list_users", path_prefix="/staff/"))["users"]] == ["bob"]
    assert (await iam.call("list_user_tags", user_name="bob"))["tags"] == [{"key": "k", "value": "v"}]
    code, text = await refused(iam.call("create_user", user_name="BOB"))
    assert (code, text) == ("EntityAlreadyExists", "User with name BOB already exists.")
    await iam.call("delete_user", user_name="bob")
    assert [u["user_name"] for u in (await iam.call("list_users"))["users"]] == ["alice"]
