"""Master keys: what was sealed opens where it belongs, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.clock import CountingEntropy
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.secret import Secret


def keys() -> MasterKeys:
    return MasterKeys.generate(CountingEntropy())


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_was_sealed_opens(plaintext: bytes, context: bytes) -> None:
    master = keys()
    sealed = master.seal(plaintext, purpose="test", entropy=CountingEntropy(), context=context)

    assert master.open(sealed, purpose="test", context=context) == plaintext


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    master = keys()
    sealed = bytearray(master.seal(b"something", purpose="test", entropy=CountingEntropy()))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealBroken):
        master.open(bytes(sealed), purpose="test")


@pytest.mark.parametrize(("purpose", "context"), [("other", b"row 1"), ("test", b"row 2"), ("test", b"")])
def test_sealed_data_does_not_open_elsewhere(purpose: str, context: bytes) -> None:
    master = keys()
    sealed = master.seal(b"x", purpose="test", entropy=CountingEntropy(), context=b"row 1")

    with pytest.raises(SealBroken):
        master.open(sealed, purpose=purpose, context=context)


@pytest.mark.parametrize("sealed", [b"", b"\0" * 4, b"\0" * 31, b"\0" * 64])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        keys().open(sealed, purpose="test")


def test_after_a_rotation_old_data_opens_and_new_data_has_the_new_key() -> None:
    entropy = CountingEntropy()
    old = MasterKeys.generate(entropy)
    sealed = old.seal(b"x", purpose="test", entropy=entropy)

    new = old.rotated(entropy)

    assert new.open(sealed, purpose="test") == b"x"
    with pytest.raises(SealBroken):
        old.open(new.seal(b"y", purpose="test", entropy=entropy), purpose="test")


def test_derived_keys_differ_by_purpose_information_and_master_key() -> None:
    entropy = CountingEntropy()
    old = MasterKeys.generate(entropy)
    new = old.rotated(entropy)

    derived = {
        old.derive(purpose="a", info=b"1"),
        old.derive(purpose="a", info=b"2"),
        old.derive(purpose="b", info=b"1"),
        new.derive(purpose="a", info=b"1"),
    }

    assert len(derived) == 4
    assert new.derive(purpose="a", info=b"1", key_id=old.current) == old.derive(purpose="a", info=b"1")
    with pytest.raises(SealBroken):
        old.derive(purpose="a", info=b"1", key_id=new.current)


def test_keys_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKeys(current=b"abcd", keys={b"abcd": Secret(b"short")})
    with pytest.raises(ValueError, match="not among"):
        MasterKeys(current=b"abcd", keys={})


def test_keys_do_not_show_in_text() -> None:
    master = keys()
    master.derive(purpose="a", info=b"1")

    assert master.keys[master.current].reveal().hex() not in repr(master)
    assert "_derived" not in repr(master)
