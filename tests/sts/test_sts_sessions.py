"""Temporary credentials: what was issued opens again, anywhere, and nothing else does."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.clock import CountingEntropy
from velvetrope.principals import Principal, Session
from velvetrope.sealing import MasterKeys
from velvetrope.sigv4 import ExpiredSessionToken, InvalidSessionToken
from velvetrope.sts import Sessions

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = MasterKeys.generate(CountingEntropy())


def role_session() -> Principal:
    session = Session(
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        policies=('{"Version":"2012-10-17","Statement":[]}',),
        tags={"team": "blue"},
        transitive_tag_keys=("team",),
        federated_provider="cognito-identity.amazonaws.com",
        claims={"cognito-identity.amazonaws.com:amr": ("authenticated", "x")},
        source_identity="alice",
        multi_factor_at=NOW,
        chained=True,
        source_function_arn="arn:aws:lambda:us-west-2:123456789012:function:f",
    )
    return Principal(
        kind="AssumedRole",
        account_id="123456789012",
        arn="arn:aws:sts::123456789012:assumed-role/Demo/Session",
        policy_arn="arn:aws:iam::123456789012:role/path/Demo",
        unique_id="AROAEXAMPLE:Session",
        name="Demo",
        tags={"cost": "1"},
        session=session,
    )


def test_credentials_have_the_shapes_of_aws() -> None:
    credentials = Sessions(KEYS, CountingEntropy()).issue(role_session())

    assert credentials.access_key_id.startswith("ASIA")
    assert len(credentials.access_key_id) == 20
    assert len(credentials.secret_access_key.reveal()) == 40
    assert credentials.expiration == NOW + timedelta(hours=1)


def test_any_node_with_the_master_keys_opens_what_another_issued() -> None:
    issued = Sessions(KEYS, CountingEntropy()).issue(role_session())

    opened = Sessions(KEYS, CountingEntropy()).open(issued.access_key_id, issued.session_token, NOW)

    assert opened.secret_access_key == issued.secret_access_key
    principal = role_session()
    assert opened.principal.access_key_id == issued.access_key_id
    assert opened.principal.session == principal.session
    assert (opened.principal.arn, opened.principal.policy_arn, opened.principal.unique_id, opened.principal.tags) == (
        principal.arn,
        principal.policy_arn,
        principal.unique_id,
        principal.tags,
    )


def test_two_sessions_share_no_key() -> None:
    sessions = Sessions(KEYS, CountingEntropy())

    one, other = sessions.issue(role_session()), sessions.issue(role_session())

    assert one.access_key_id != other.access_key_id
    assert one.secret_access_key != other.secret_access_key


def test_a_session_is_good_until_the_second_before_it_ends_and_dead_at_its_end() -> None:
    sessions = Sessions(KEYS, CountingEntropy())
    issued = sessions.issue(role_session())

    sessions.open(issued.access_key_id, issued.session_token, NOW + timedelta(seconds=3599))
    with pytest.raises(ExpiredSessionToken) as refusal:
        sessions.open(issued.access_key_id, issued.session_token, NOW + timedelta(hours=1))

    assert refusal.value.message == "The security token included in the request is expired"


def test_a_token_does_not_open_under_another_access_key() -> None:
    sessions = Sessions(KEYS, CountingEntropy())
    one, other = sessions.issue(role_session()), sessions.issue(role_session())

    with pytest.raises(InvalidSessionToken) as refusal:
        sessions.open(one.access_key_id, other.session_token, NOW)

    assert refusal.value.message == "The security token included in the request is invalid"


def test_a_token_of_another_server_does_not_open() -> None:
    foreign = MasterKeys.generate(CountingEntropy())
    entropy = CountingEntropy()
    entropy.token_bytes(512)
    issued = Sessions(foreign.rotated(entropy), CountingEntropy()).issue(role_session())

    with pytest.raises(InvalidSessionToken):
        Sessions(KEYS, CountingEntropy()).open(issued.access_key_id, issued.session_token, NOW)


@given(st.data())
def test_a_token_with_any_byte_changed_does_not_open(data: st.DataObject) -> None:
    sessions = Sessions(KEYS, CountingEntropy())
    issued = sessions.issue(role_session())
    sessions.open(issued.access_key_id, issued.session_token, NOW)
    sealed = bytearray(base64.urlsafe_b64decode(issued.session_token + "=" * (-len(issued.session_token) % 4)))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))

    with pytest.raises(InvalidSessionToken):
        sessions.open(issued.access_key_id, base64.urlsafe_b64encode(bytes(sealed)).rstrip(b"=").decode(), NOW)


@given(st.text(max_size=80))
def test_garbage_does_not_open(text: str) -> None:
    with pytest.raises(InvalidSessionToken):
        Sessions(KEYS, CountingEntropy()).open("ASIAAAAAAAAAAAAAAAAA", text, NOW)


def test_a_very_long_text_is_not_looked_at() -> None:
    with pytest.raises(InvalidSessionToken):
        Sessions(KEYS, CountingEntropy()).open("ASIAAAAAAAAAAAAAAAAA", "A" * 20_000, NOW)


def test_sealed_data_of_another_purpose_is_no_session_token() -> None:
    sealed = KEYS.seal(b"\x00", purpose="something else", entropy=CountingEntropy(), context=b"ASIAAAAAAAAAAAAAAAAA")

    with pytest.raises(InvalidSessionToken):
        Sessions(KEYS, CountingEntropy()).open("ASIAAAAAAAAAAAAAAAAA", base64.urlsafe_b64encode(sealed).decode(), NOW)


def test_former_sessions_outlive_a_rotation_of_the_master_key() -> None:
    issued = Sessions(KEYS, CountingEntropy()).issue(role_session())
    entropy = CountingEntropy()
    entropy.token_bytes(1024)
    rotated = Sessions(KEYS.rotated(entropy), CountingEntropy())

    opened = rotated.open(issued.access_key_id, issued.session_token, NOW)

    assert opened.secret_access_key == issued.secret_access_key
    fresh = rotated.issue(role_session())
    with pytest.raises(InvalidSessionToken):
        Sessions(KEYS, CountingEntropy()).open(fresh.access_key_id, fresh.session_token, NOW)


def test_a_rotation_does_not_make_a_session_last_longer_and_losing_its_key_ends_it() -> None:
    issued = Sessions(KEYS, CountingEntropy()).issue(role_session())
    entropy = CountingEntropy()
    entropy.token_bytes(1024)
    rotated = KEYS.rotated(entropy).rotated(entropy)
    without = MasterKeys(rotated.current, {k: v for k, v in rotated.keys.items() if k != KEYS.current})
    sessions = Sessions(rotated, CountingEntropy())

    opened = sessions.open(issued.access_key_id, issued.session_token, NOW + timedelta(seconds=3599))
    assert opened.secret_access_key == issued.secret_access_key
    with pytest.raises(ExpiredSessionToken):
        sessions.open(issued.access_key_id, issued.session_token, NOW + timedelta(hours=1))
    with pytest.raises(InvalidSessionToken):
        Sessions(without, CountingEntropy()).open(issued.access_key_id, issued.session_token, NOW)


def test_only_so_many_opened_tokens_are_remembered() -> None:
    sessions = Sessions(KEYS, CountingEntropy())
    first = sessions.issue(role_session())
    sessions.open(first.access_key_id, first.session_token, NOW)

    for _ in range(4096):
        issued = sessions.issue(role_session())
        sessions.open(issued.access_key_id, issued.session_token, NOW)

    assert len(sessions._opened) == 4096
    assert (first.access_key_id, first.session_token) not in sessions._opened


def test_a_session_policy_of_full_length_still_fits_into_a_header() -> None:
    long = Session(NOW, NOW + timedelta(hours=1), policies=("x" * 2048,))
    principal = role_session()
    principal = Principal(
        kind="AssumedRole",
        account_id=principal.account_id,
        arn=principal.arn,
        policy_arn=principal.policy_arn,
        unique_id=principal.unique_id,
        session=long,
    )

    assert len(Sessions(KEYS, CountingEntropy()).issue(principal).session_token) < 4096


def test_only_a_principal_with_a_session_gets_temporary_credentials() -> None:
    root = Principal("Account", "1", "arn:aws:iam::1:root", "arn:aws:iam::1:root", "1")

    with pytest.raises(ValueError, match="session"):
        Sessions(KEYS, CountingEntropy()).issue(root)
