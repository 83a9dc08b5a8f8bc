"""RFC 5054's vectors for the arithmetic, and an unmodified client library for everything Cognito adds to it."""

import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycognito.aws_srp import AWSSRP, N_HEX, pad_hex

from velvetrope.srp import (
    Challenge,
    InvalidPublicValue,
    InvalidTimestamp,
    PrivateValue,
    claim_key,
    claim_signature,
    decoy_verifier,
    is_verifier,
    make_challenge,
    make_private_values,
    make_salt,
    make_verifier,
    parse_public_value,
    parse_timestamp,
    render_timestamp,
    verifier_powers,
)
from velvetrope.srp.exchange import _pad, multiplier, premaster_secret, public_value
from velvetrope.srp.groups import COGNITO_GROUP, Group

CASE = json.loads((Path(__file__).parent / "cases" / "rfc5054_b.json").read_text())
RFC = {name: int(value, 16) for name, value in CASE.items() if name != "source"}
RFC_GROUP = Group(prime=RFC["N"], generator=RFC["g"])
POOL_ID = "us-west-2_AbCdEfGhI"
POOL_NAME = "AbCdEfGhI"


def client(*, password: str = "Correct-horse-1", username: str = "anna") -> Any:
    return AWSSRP(username=username, password=password, pool_id=POOL_ID, client_id="x", client=object())


def private_value(random: bytes = b"\x07" * 32) -> PrivateValue:
    return make_private_values(random)[0]


def test_rfc_5054_verifier() -> None:
    assert RFC_GROUP.generator_power(RFC["x"]) == RFC["v"]


def test_rfc_5054_client_public_value() -> None:
    assert RFC_GROUP.generator_power(RFC["a"]) == RFC["A"]


def test_rfc_5054_server_public_value() -> None:
    assert public_value(RFC["v"], RFC_GROUP.generator_power(RFC["b"]), RFC["k"], RFC_GROUP) == RFC["B"]


def test_rfc_5054_premaster_secret() -> None:
    assert premaster_secret(RFC["A"], RFC["b"], RFC["v"], RFC["u"], RFC_GROUP) == RFC["S"]
    # The client's side of the same (RFC 5054 section 2.6), so that both ends are pinned.
    base = (RFC["B"] - RFC["k"] * RFC["v"]) % RFC["N"]
    assert RFC_GROUP.power(base, RFC["a"] + RFC["u"] * RFC["x"]) == RFC["S"]


def test_cognito_group_is_the_one_clients_use() -> None:
    assert f"{COGNITO_GROUP.prime:X}" == N_HEX
    assert COGNITO_GROUP.prime.bit_length() == 3072
    assert multiplier(COGNITO_GROUP) == client().val_k


@given(st.integers(0, 2**257))
def test_table_and_plain_power_agree(exponent: int) -> None:
    assert COGNITO_GROUP.generator_power(exponent) == pow(2, exponent, COGNITO_GROUP.prime)


@pytest.mark.parametrize("exponent", [0, 1, 2**32 - 1, 2**32, 2**64, 2**224, 2**255, 2**256 - 1])
def test_power_by_kept_powers_is_the_plain_one_at_the_ends_of_its_parts(exponent: int) -> None:
    base = 3 << 2000

    assert COGNITO_GROUP.joint_power(base, verifier_powers(base), exponent) == pow(base, exponent, COGNITO_GROUP.prime)


@settings(deadline=None)  # the other side computes with Python's own numbers
@given(st.integers(1, COGNITO_GROUP.prime - 1), st.integers(0, 2**256 - 1))
def test_power_by_kept_powers_is_the_plain_one(base: int, exponent: int) -> None:
    assert COGNITO_GROUP.joint_power(base, verifier_powers(base), exponent) == pow(base, exponent, COGNITO_GROUP.prime)


@pytest.mark.parametrize("exponent", [-1, 2**256])
def test_kept_powers_are_of_no_use_to_longer_exponents(exponent: int) -> None:
    with pytest.raises(ValueError, match="length"):
        COGNITO_GROUP.joint_power(3, verifier_powers(3), exponent)


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_too_few_powers_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="length"):
        COGNITO_GROUP.joint_power(3, verifier_powers(3)[:count], 5)


@pytest.mark.parametrize("kept", [slice(0), slice(1, None, 2)], ids=["none", "the three of before"])
def test_key_is_the_same_with_and_without_kept_powers(kept: slice) -> None:
    them = client(password="right")
    verifier = make_verifier(POOL_NAME, "anna", "right", 5)
    powers = verifier_powers(verifier)
    challenge = make_challenge(verifier, private_value())

    with_all = claim_key(challenge, them.large_a_value, verifier, powers=powers)

    assert with_all == claim_key(challenge, them.large_a_value, verifier, powers=powers[kept])


@given(st.integers(0, 2**300))
def test_padding_is_that_of_the_clients(value: int) -> None:
    assert _pad(value) == bytes.fromhex(pad_hex(value))


@settings(deadline=None)  # the client computes with Python's own numbers
@given(
    salt=st.binary(min_size=16, max_size=16),
    private=st.binary(min_size=32, max_size=32),
    password=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
def test_client_with_the_right_password_arrives_at_our_key(salt: bytes, private: bytes, password: str) -> None:
    them = client(password=password)
    number = make_salt(salt)
    verifier = make_verifier(POOL_NAME, "anna", password, number)
    challenge = make_challenge(verifier, private_value(private))

    public_value = parse_public_value(f"{them.large_a_value:x}")
    ours = claim_key(challenge, public_value, verifier, powers=verifier_powers(verifier))
    theirs = them.get_password_authentication_key("anna", password, int(challenge.public_value_hex, 16), f"{number:x}")

    assert ours == theirs


@pytest.mark.parametrize("random", [bytes(16), b"\x00" * 15 + b"\x0f", b"\x00\x12" + b"\xff" * 14, b"\xff" * 16])
def test_salt_with_leading_zeros_is_read_the_same_as_number_and_as_bytes(random: bytes) -> None:
    number = make_salt(random)

    assert bytes.fromhex(pad_hex(f"{number:x}")) == _pad(number)


def test_client_with_a_wrong_password_does_not_arrive_at_our_key() -> None:
    them = client(password="wrong")
    verifier = make_verifier(POOL_NAME, "anna", "right", 5)
    challenge = make_challenge(verifier, private_value())

    ours = claim_key(challenge, them.large_a_value, verifier)

    assert ours != them.get_password_authentication_key("anna", "wrong", challenge.public_value, "5")


@pytest.mark.parametrize(
    "other",
    [
        ("Other", "anna", "pw", 5),
        (POOL_NAME, "Anna", "pw", 5),
        (POOL_NAME, "anna", "pW", 5),
        (POOL_NAME, "anna", "pw", 6),
    ],
)
def test_verifier_belongs_to_pool_user_password_and_salt(other: tuple[str, str, str, int]) -> None:
    assert make_verifier(*other) != make_verifier(POOL_NAME, "anna", "pw", 5)


@pytest.mark.parametrize("multiple", [0, 1])
def test_public_value_that_is_zero_modulo_n_is_refused(multiple: int) -> None:
    """Such an A makes S zero whatever the password is: the oldest attack on SRP servers."""
    with pytest.raises(InvalidPublicValue):
        parse_public_value(f"{multiple * COGNITO_GROUP.prime:x}")
    parse_public_value(f"{multiple * COGNITO_GROUP.prime + 1:x}")


@pytest.mark.parametrize("text", ["", "xyz", "-1", " 1", "0x1", "1_0", "\u0661", "ff" * 386])
def test_other_texts_are_not_public_values(text: str) -> None:
    with pytest.raises(InvalidPublicValue):
        parse_public_value(text)


def test_public_value_may_carry_the_zero_byte_of_two_complement() -> None:
    assert parse_public_value("00" + N_HEX[:-1] + "e") == COGNITO_GROUP.prime - 1


def test_salt_is_made_from_16_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        make_salt(b"short")


def test_decoy_is_the_same_for_one_seed_and_of_a_verifiers_size() -> None:
    numbers = [(verifier, *powers) for verifier, powers in (decoy_verifier(bytes([n])) for n in range(50))]

    assert decoy_verifier(b"a") == decoy_verifier(b"a") != decoy_verifier(b"b")
    assert {len(decoy) for decoy in numbers} == {1 + len(verifier_powers(3))}
    for made_up in zip(*numbers, strict=True):
        assert all(0 < number < COGNITO_GROUP.prime for number in made_up)
        assert max(number.bit_length() for number in made_up) == 3072


@pytest.mark.parametrize("random", [b"", b"\x01" * 31, b"\x01" * 33], ids=["none", "a byte less", "a byte more"])
def test_private_values_of_other_lengths_are_refused(random: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make_private_values(random)


def test_private_values_have_their_powers_of_the_generator() -> None:
    numbers = [0, 1, 3**161, 2**256 - 1]

    made = make_private_values(b"".join(number.to_bytes(32) for number in numbers))

    assert [private.value for private in made] == numbers
    assert [private.power for private in made] == [pow(2, number, COGNITO_GROUP.prime) for number in numbers]


def test_public_value_is_sent_without_leading_zeros() -> None:
    assert [Challenge(1, number).public_value_hex for number in (1, 0x7F, 0x80, 0xFEDC)] == ["1", "7f", "80", "fedc"]


def test_private_value_does_not_show() -> None:
    private = private_value()

    assert "private" not in repr(make_challenge(4, private))
    assert repr(private) == "PrivateValue()"


def test_signature_is_over_name_user_block_and_time_in_that_order() -> None:
    signature = claim_signature(b"k" * 16, pool_name="P", user_id="u", secret_block=b"\xff\x00", timestamp="T")

    assert len(signature) == 44
    expected = hmac.digest(b"k" * 16, b"Pu\xff\x00T", "sha256")
    import base64

    assert base64.b64decode(signature) == expected


@given(st.integers(0, 250_000_000_000))
def test_timestamp_reads_back_and_is_written_as_the_clients_write_it(seconds: int) -> None:
    moment = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    assert parse_timestamp(render_timestamp(moment)) == moment
    assert render_timestamp(moment) == AWSSRP.get_cognito_formatted_timestamp(moment)


def test_timestamp_has_no_leading_zero_on_the_day() -> None:
    assert render_timestamp(datetime(2023, 9, 5, 9, 3, 7, tzinfo=UTC)) == "Tue Sep 5 09:03:07 UTC 2023"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tue Sep 05 09:03:07 UTC 2023",
        "Wed Sep 5 09:03:07 UTC 2023",
        "Tue Sep 5 24:03:07 UTC 2023",
        "Thu Feb 30 09:03:07 UTC 2023",
        "Tue Sep 5 09:03:07 GMT 2023",
        "tue sep 5 09:03:07 UTC 2023",
        "Tue Sep 5 09:03:07 UTC 2023\n",
        "2023-09-05T09:03:07Z",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InvalidTimestamp):
        parse_timestamp(text)


def test_plain_python_gives_the_same_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gmpy2 the exchange is slower and otherwise the same."""
    from velvetrope.srp import groups

    monkeypatch.setattr(groups, "_fast_power", lambda: pow)
    monkeypatch.setattr(groups, "_big_number", lambda: int)
    plain = Group(prime=COGNITO_GROUP.prime, generator=2)

    assert plain.generator_power(3**100) == COGNITO_GROUP.generator_power(3**100)
    assert plain.power(12345, 3**100) == COGNITO_GROUP.power(12345, 3**100)


@pytest.mark.parametrize(
    ("value", "could_be"),
    [
        (0, False),
        (1, False),
        (2, True),
        (COGNITO_GROUP.prime - 2, True),
        (COGNITO_GROUP.prime - 1, False),
        (COGNITO_GROUP.prime, False),
    ],
    ids=["0", "1", "2", "N-2", "N-1", "N"],
)
def test_verifier_that_needs_no_secret_is_none(value: int, could_be: bool) -> None:
    assert is_verifier(value) is could_be
