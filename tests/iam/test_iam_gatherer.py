"""Whose policies are which, and that old credentials get nothing from new names."""

import json
from dataclasses import replace
from datetime import timedelta

from support.iam import ACCOUNT, NOW, ROOT, Iam, allow, deny, document, make_role, make_user, session_of
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.tags import Tag
from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    request_context,
)
from velvetrope.principals import ANONYMOUS, Principal, Session, service_principal
from velvetrope.store.tables.iam import Role

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


async def decide(iam: Iam, caller: Principal, action: str, *, named_by: str | None = None) -> Decision:
    """The decision on a resource, whose own policy names the ARN `named_by` if there is one."""
    policies = await iam.gatherer.policies_for(caller)
    resource_policy = None
    if named_by is not None:
        text = document({"Effect": "Allow", "Principal": {"AWS": named_by}, "Action": "*", "Resource": "*"})
        resource_policy = parse_policy(text, kind="resource")
    return evaluate(AuthorizationRequest(caller, action, "*", ACCOUNT, {}, policies, resource_policy=resource_policy))


async def test_inline_and_attached_policies_all_count(iam: Iam) -> None:
    arn = (await iam.call("create_policy", policy_name="P", policy_document=document(allow("b:Do"))))["policy"]["arn"]
    role = await make_role(iam, allow("a:Do"))
    for policy_arn in (arn, READ_ONLY):
        await iam.call("attach_role_policy", role_name="Caller", policy_arn=policy_arn)

    for action in ("a:Do", "b:Do", "lambda:ListFunctions"):
        assert (await decide(iam, role, action)).allowed
    assert not (await decide(iam, role, "lambda:DeleteFunction")).allowed


async def test_the_default_version_counts(iam: Iam) -> None:
    user = await make_user(iam)
    arn = (await iam.call("create_policy", policy_name="P", policy_document=document(allow("a:Do"))))["policy"]["arn"]
    await iam.call("attach_user_policy", user_name="alice", policy_arn=arn)
    await iam.call("create_policy_version", policy_arn=arn, policy_document=document(allow("b:Do")))

    assert (await decide(iam, user, "a:Do")).allowed
    await iam.call("set_default_policy_version", policy_arn=arn, version_id="v2")
    assert not (await decide(iam, user, "a:Do")).allowed
    assert (await decide(iam, user, "b:Do")).allowed


async def test_a_change_is_seen_at_once(iam: Iam) -> None:
    role = await make_role(iam, allow("a:Do"))
    assert (await decide(iam, role, "a:Do")).allowed

    await iam.call("delete_role_policy", role_name="Caller", policy_name="own")

    assert not (await decide(iam, role, "a:Do")).allowed


async def test_a_live_session_hears_of_a_tag_that_its_role_is_given_or_loses(iam: Iam) -> None:
    quarantined = {"StringEquals": {"aws:PrincipalTag/quarantine": "yes"}}
    blue = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    session = Session(NOW, NOW + timedelta(hours=1), tags={"Site": "here"})
    made = await make_role(iam, allow("a:Do"), allow("b:Do", condition=blue), deny("*", condition=quarantined))
    caller = replace(made, session=session)

    assert (await decide(iam, caller, "a:Do")).allowed
    assert not (await decide(iam, caller, "b:Do")).allowed
    await iam.call("tag_role", role_name="Caller", tags=(Tag(key="Team", value="blue"),))
    assert (await decide(iam, caller, "b:Do")).allowed
    as_it_was = replace(caller, tags={"Team": "blue"})
    await iam.call("untag_role", role_name="Caller", tag_keys=("Team",))
    assert not (await decide(iam, as_it_was, "b:Do")).allowed
    await iam.call("tag_role", role_name="Caller", tags=(Tag(key="quarantine", value="yes"),))
    assert (await decide(iam, caller, "a:Do")).outcome == "explicitDeny"


async def test_a_session_tag_wins_over_what_the_role_is_tagged_with_now(iam: Iam) -> None:
    session = Session(NOW, NOW + timedelta(hours=1), tags={"team": "blue"})
    made = await make_role(iam, allow("a:Do", condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}}))
    caller = replace(made, session=session)
    await iam.call("tag_role", role_name="Caller", tags=(Tag(key="Team", value="red"),))
    context = request_context(caller, now=NOW, source_ip="192.0.2.1")
    policies = await iam.gatherer.policies_for(caller)

    assert evaluate(AuthorizationRequest(caller, "a:Do", "*", ACCOUNT, context, policies)).allowed
    untagged = replace(caller, session=replace(session, tags={}))
    context = request_context(untagged, now=NOW, source_ip="192.0.2.1")
    assert not evaluate(AuthorizationRequest(untagged, "a:Do", "*", ACCOUNT, context, policies)).allowed


async def test_policies_are_remembered_between_changes(iam: Iam) -> None:
    role = await make_role(iam, allow("a:Do"))

    assert await iam.gatherer.policies_for(role) is await iam.gatherer.policies_for(role)


async def test_what_is_recalled_is_what_was_gathered_until_something_changes(iam: Iam) -> None:
    role = await make_role(iam, allow("a:Do"))
    session = Session(NOW, NOW + timedelta(hours=1), policies=(document(allow("a:Do")),))

    for caller in (role, replace(role, session=session)):
        assert iam.gatherer.recall_policies(caller) is None
        gathered = await iam.gatherer.policies_for(caller)
        assert iam.gatherer.recall_policies(caller) is gathered
    await iam.call("delete_role_policy", role_name="Caller", policy_name="own")

    for caller in (role, replace(role, session=session)):
        assert iam.gatherer.recall_policies(caller) is None


async def test_nothing_is_recalled_of_who_is_gone(iam: Iam) -> None:
    user = await make_user(iam, allow("a:Do"))
    await iam.call("delete_user_policy", user_name="alice", policy_name="own")
    await iam.call("delete_user", user_name="alice")

    assert not (await decide(iam, user, "a:Do")).allowed
    assert iam.gatherer.recall_policies(user) is None


async def test_who_has_no_policies_of_its_own_is_known_at_once(iam: Iam) -> None:
    for caller in (ROOT, ANONYMOUS, service_principal("lambda.amazonaws.com")):
        assert iam.gatherer.recall_policies(caller) is await iam.gatherer.policies_for(caller)


async def test_a_boundary_limits(iam: Iam) -> None:
    role = await make_role(iam, allow("*"), permissions_boundary=READ_ONLY)

    assert (await decide(iam, role, "lambda:ListFunctions")).allowed
    decision = await decide(iam, role, "lambda:DeleteFunction")
    assert decision.because == "because no permissions boundary allows the lambda:DeleteFunction action"


async def test_a_session_policy_limits(iam: Iam) -> None:
    role = await make_role(iam, allow("a:*"))
    session = Session(NOW, NOW + timedelta(hours=1), policies=(document(allow("a:Do")), document(allow("b:Do"))))
    limited = replace(role, session=session)

    assert (await decide(iam, limited, "a:Do")).allowed
    assert not (await decide(iam, limited, "a:Other")).allowed
    assert not (await decide(iam, limited, "b:Do")).allowed
    assert (await decide(iam, role, "a:Other")).allowed
    assert await iam.gatherer.policies_for(limited) is await iam.gatherer.policies_for(limited)


async def test_a_session_policy_that_cannot_be_read_denies_everything(iam: Iam) -> None:
    role = await make_role(iam, allow("*"))
    session = Session(NOW, NOW + timedelta(hours=1), policies=("{",))

    assert (await decide(iam, replace(role, session=session), "a:Do")).outcome == "explicitDeny"


async def test_a_session_of_a_deleted_role_gets_nothing_from_a_new_one_of_its_name(iam: Iam) -> None:
    old = await make_role(iam, name="R")
    await iam.call("delete_role", role_name="R")
    new = await make_role(iam, allow("*"), name="R")

    assert not (await decide(iam, old, "a:Do")).allowed
    assert (await decide(iam, new, "a:Do")).allowed


async def test_only_who_is_still_there_and_still_the_same_stands(iam: Iam) -> None:
    role, user = await make_role(iam, name="R"), await make_user(iam)
    narrowed = replace(role, session=Session(NOW, NOW + timedelta(hours=1), policies=(json.dumps(allow("a:Do")),)))
    callers = (role, narrowed, user)
    assert [await iam.gatherer.stands(caller) for caller in callers] == [True, True, True]

    await iam.call("delete_role", role_name="R")
    await iam.call("delete_user", user_name="alice")
    assert [await iam.gatherer.stands(caller) for caller in callers] == [False, False, False]

    new = await make_role(iam, name="R")
    assert [await iam.gatherer.stands(caller) for caller in (role, narrowed, new)] == [False, False, True]


async def test_a_user_made_again_is_another_user(iam: Iam) -> None:
    old = await make_user(iam)
    await iam.call("delete_user", user_name="alice")
    await make_user(iam, allow("*"))

    assert not (await decide(iam, old, "a:Do")).allowed


async def test_a_resource_that_names_a_role_lets_no_session_in_once_the_role_is_gone(iam: Iam) -> None:
    """Deleting a role never allows more, though its own Deny goes with it."""
    old = await make_role(iam, deny("a:Do"), name="R")
    assert (await decide(iam, old, "a:Do", named_by=old.policy_arn)).outcome == "explicitDeny"
    assert (await decide(iam, old, "b:Do", named_by=old.policy_arn)).allowed
    await iam.call("delete_role_policy", role_name="R", policy_name="own")
    await iam.call("delete_role", role_name="R")

    for caller, name in ((old, old.policy_arn), (old, old.arn), (old, "*")):
        for action in ("a:Do", "b:Do"):
            refused = await decide(iam, caller, action, named_by=name)
            assert refused.outcome == "explicitDeny"
            assert "gone" in " ".join(refused.reasons)
    new = await make_role(iam, name="R")
    assert new.policy_arn == old.policy_arn
    assert (await decide(iam, new, "b:Do", named_by=new.policy_arn)).allowed
    assert (await decide(iam, old, "b:Do", named_by=new.policy_arn)).outcome == "explicitDeny"


async def test_a_resource_that_names_a_user_lets_no_session_in_once_the_user_is_gone(iam: Iam) -> None:
    old = await make_user(iam)
    assert (await decide(iam, old, "a:Do", named_by=old.arn)).allowed
    await iam.call("delete_user", user_name="alice")

    assert (await decide(iam, old, "a:Do", named_by=old.arn)).outcome == "explicitDeny"
    await make_user(iam)
    assert (await decide(iam, old, "a:Do", named_by=old.arn)).outcome == "explicitDeny"


async def test_who_is_no_role_or_user_has_no_policies_and_who_is_unknown_is_denied(iam: Iam) -> None:
    stranger = session_of(
        {"role_name": "None", "arn": f"arn:aws:iam::{ACCOUNT}:role/None", "role_id": "AROANONENONENONENONE"}
    )

    assert (await decide(iam, stranger, "a:Do")).outcome == "explicitDeny"
    for caller in (ANONYMOUS, service_principal("lambda.amazonaws.com")):
        assert await iam.gatherer.policies_for(caller) == PrincipalPolicies()


async def test_the_root_user_may_do_everything_within_its_session_policy(iam: Iam) -> None:
    assert (await decide(iam, ROOT, "a:Do")).allowed
    session = Session(NOW, NOW + timedelta(hours=1), policies=(document(allow("*"), deny("iam:*")),))

    limited = replace(ROOT, session=session)

    assert (await decide(iam, limited, "a:Do")).allowed
    refused = await decide(iam, limited, "iam:ListRoles")
    assert refused.outcome == "explicitDeny"
    assert refused.reasons[-1] == "session policy 1: statement 2 denies"


async def test_a_federated_user_has_the_issuer_s_policies_within_the_session_policy(iam: Iam) -> None:
    alice = await make_user(iam, allow("a:*"))
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    session = Session(
        NOW,
        NOW + timedelta(hours=1),
        policies=(document(allow("*")),),
        issuer_arn=alice.arn,
        issuer_id=alice.unique_id,
    )
    guest = Principal("FederatedUser", ACCOUNT, arn, arn, f"{ACCOUNT}:guest", name="alice", session=session)

    assert (await decide(iam, guest, "a:Do")).allowed
    assert not (await decide(iam, guest, "b:Do")).allowed
    bare = replace(guest, session=replace(session, policies=None))
    assert (await decide(iam, bare, "a:Do")).because == "because no session policy allows the a:Do action"
    for issuer_id in (None, "AIDAANOTHERALICE"):
        by_another = replace(guest, session=replace(session, issuer_id=issuer_id))
        assert not (await decide(iam, by_another, "a:Do")).allowed
    by_root = replace(guest, name="")
    assert (await decide(iam, by_root, "b:Do")).allowed


async def test_a_federated_user_has_the_tags_that_its_issuer_has_now_and_nobody_else_s(iam: Iam) -> None:
    blue = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    alice = await make_user(iam, allow("a:*", condition=blue))
    bob = await make_user(iam, allow("a:*", condition=blue), name="bob")
    guests = [
        Principal(
            "FederatedUser",
            ACCOUNT,
            arn=f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
            policy_arn=f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
            unique_id=f"{ACCOUNT}:guest",
            name=issuer.name,
            session=Session(
                NOW,
                NOW + timedelta(hours=1),
                policies=(document(allow("*")),),
                issuer_arn=issuer.arn,
                issuer_id=issuer.unique_id,
            ),
        )
        for issuer in (alice, bob)
    ]
    before = [(await decide(iam, guest, "a:Do")).allowed for guest in guests]
    await iam.call("tag_user", user_name="alice", tags=(Tag(key="Team", value="blue"),))
    tagged = [(await decide(iam, guest, "a:Do")).allowed for guest in guests]
    await iam.call("untag_user", user_name="alice", tag_keys=("Team",))
    after = [(await decide(iam, guest, "a:Do")).allowed for guest in guests]

    assert (before, tagged, after) == ([False, False], [True, False], [False, False])


async def test_a_policy_that_is_gone_denies_everything(iam: Iam) -> None:
    """A boundary may be deleted between the check that it exists and the role's creation."""
    await make_role(iam, allow("*"), name="Template")
    template = await iam.store.load_role(ACCOUNT, "Template")
    assert template is not None
    gone = f"arn:aws:iam::{ACCOUNT}:policy/gone"
    role = Role(
        account_id=ACCOUNT,
        role_name="R",
        role_id="AROAGONE",
        arn=f"arn:aws:iam::{ACCOUNT}:role/R",
        path="/",
        assume_role_policy_document=template.assume_role_policy_document,
        created_at=NOW,
        inline_policies=template.inline_policies,
        permissions_boundary_arn=gone,
    )
    await iam.store.save_new_role(role)

    caller = session_of({"role_name": "R", "arn": role.arn, "role_id": "AROAGONE"})

    assert (await decide(iam, caller, "a:Do")).outcome == "explicitDeny"


def test_aws_s_policies_are_all_well_formed_and_within_the_limit() -> None:
    for arn, policy in aws_managed_policies().items():
        parsed = parse_policy(policy.document, kind="identity", source=arn)

        assert parsed.version == "2012-10-17"
        assert len(json.dumps(json.loads(policy.document), separators=(",", ":"))) <= 6144
        assert arn == f"arn:aws:iam::aws:policy{policy.path}{policy.policy_name}"
