"""A secret is used, compared and never shown."""

import pickle

import pytest

from velvetrope.secret import Secret


@pytest.mark.parametrize("secret", [Secret("hunter2hunter2"), Secret(b"hunter2hunter2")], ids=["text", "bytes"])
def test_a_secret_hides_wherever_text_is_made_of_it(secret: Secret[str] | Secret[bytes]) -> None:
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr([secret]), repr({"k": secret})):
        assert "hunter2" not in shown
    assert secret.reveal() in ("hunter2hunter2", b"hunter2hunter2")


def test_a_secret_does_not_leave_the_process() -> None:
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(Secret("x"))


def test_secrets_compare_by_value_and_only_with_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert not Secret("")
