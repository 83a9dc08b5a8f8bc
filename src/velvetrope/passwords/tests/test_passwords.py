"""The sentences of the policy, and hashes that are made and checked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velvetrope.clock import CountingEntropy
from velvetrope.passwords import (
    SYMBOLS,
    PasswordPolicy,
    PasswordPolicyViolation,
    check_password_policy,
    hash_password,
    make_temporary_password,
    password_matches,
)
from velvetrope.secret import Secret

STRICT = PasswordPolicy(
    minimum_length=8, require_uppercase=True, require_lowercase=True, require_numbers=True, require_symbols=True
)
LAX = PasswordPolicy(
    minimum_length=6, require_uppercase=False, require_lowercase=False, require_numbers=False, require_symbols=False
)


@pytest.mark.parametrize("password", ["Abcdef1!", "Abcdef1^", "Abc de1f", 'Abcdef1"', "Abcdef1`"])
def test_password_that_conforms_is_accepted(password: str) -> None:
    check_password_policy(Secret(password), STRICT)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("Abcde1!", "Password not long enough"),
        ("abcdef1!", "Password must have uppercase characters"),
        ("ABCDEF1!", "Password must have lowercase characters"),
        ("Abcdefg!", "Password must have numeric characters"),
        ("Abcdefg1", "Password must have symbol characters"),
        ("Abcdefg1 ", "Password must have symbol characters"),
        ("Abcdefg1§", "Password must have symbol characters"),
        ("Äbcdefg1!", "Password must have uppercase characters"),
    ],
)
def test_each_rule_has_its_sentence(password: str, rule: str) -> None:
    with pytest.raises(PasswordPolicyViolation) as refusal:
        check_password_policy(Secret(password), STRICT)

    assert refusal.value.message == f"Password did not conform with policy: {rule}"


def test_rules_that_are_off_ask_for_nothing() -> None:
    check_password_policy(Secret("aaaaaa"), LAX)
    with pytest.raises(PasswordPolicyViolation):
        check_password_policy(Secret("aaaaa"), LAX)


def test_longest_password_has_256_characters() -> None:
    check_password_policy(Secret("a" * 256), LAX)
    with pytest.raises(PasswordPolicyViolation):
        check_password_policy(Secret("a" * 257), LAX)


def test_symbols_are_the_documented_ones() -> None:
    assert set(SYMBOLS) == set("^ $ * . [ ] { } ( ) ? - \" ! @ # % & / \\ , > < ' : ; | _ ~ ` + =".replace(" ", ""))


def test_hash_is_argon2id_with_our_parameters() -> None:
    encoded = hash_password(Secret("correct horse"), salt=b"s" * 16)

    assert encoded.startswith(b"$argon2id$v=19$m=19456,t=2,p=1$")


def test_right_password_matches_and_wrong_one_does_not() -> None:
    encoded = hash_password(Secret("correct horse"), salt=b"s" * 16)

    assert password_matches(Secret("correct horse"), encoded)
    assert not password_matches(Secret("correct horsE"), encoded)
    assert not password_matches(Secret(""), encoded)


def test_salt_makes_hashes_differ() -> None:
    assert hash_password(Secret("x"), salt=b"s" * 16) != hash_password(Secret("x"), salt=b"t" * 16)
    with pytest.raises(ValueError, match="16 bytes"):
        hash_password(Secret("x"), salt=b"short")


@settings(max_examples=5)
@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_any_text_can_be_a_password(password: str) -> None:
    assert password_matches(Secret(password), hash_password(Secret(password), salt=b"s" * 16))


@pytest.mark.parametrize("minimum", [6, 12, 99])
def test_made_up_password_conforms_to_the_strictest_policy(minimum: int) -> None:
    policy = PasswordPolicy(
        minimum_length=minimum,
        require_uppercase=True,
        require_lowercase=True,
        require_numbers=True,
        require_symbols=True,
    )
    entropy = CountingEntropy()

    first, second = make_temporary_password(policy, entropy), make_temporary_password(policy, entropy)

    check_password_policy(first, policy)
    assert len(first.reveal()) == max(12, minimum)
    assert first != second
