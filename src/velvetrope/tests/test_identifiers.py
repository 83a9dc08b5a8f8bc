"""New identifiers have AWS's shapes."""

import re
import uuid
from datetime import UTC, datetime, timedelta

from velvetrope.clock import CountingEntropy
from velvetrope.identifiers import UuidSource, new_access_key_id, new_alphanumeric, new_iam_unique_id, new_uuid


def test_identifiers_have_the_shapes_that_aws_gives_them() -> None:
    entropy = CountingEntropy()

    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", new_access_key_id(entropy, "ASIA"))
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", new_iam_unique_id(entropy, "AROA"))
    assert re.fullmatch(r"[a-z0-9]{26}", new_alphanumeric(entropy, 26))
    assert re.fullmatch(r"[A-Za-z0-9]{9}", new_alphanumeric(entropy, 9, mixed_case=True))
    assert uuid.UUID(new_uuid(entropy)).version == 4


def test_ordered_identifiers_follow_the_clock_and_are_as_hard_to_guess_as_others() -> None:
    ids, moment = UuidSource(CountingEntropy()), datetime(2026, 1, 1, tzinfo=UTC)
    made = [ids.next_ordered(moment + timedelta(milliseconds=n)) for n in range(300)]

    assert made == sorted(made)
    assert {uuid.UUID(one).version for one in made} == {7}
    first, again = (uuid.UUID(ids.next_ordered(moment)) for _ in range(2))
    assert first != again
    assert first.int >> 80 == int(moment.timestamp() * 1000)


def test_letters_are_drawn_without_bias() -> None:
    """256 is no multiple of 36: bytes past the last multiple must be thrown away, or early letters come too often."""

    class EveryByte:
        def token_bytes(self, count: int) -> bytes:
            return bytes(range(256)) * (count // 256 + 1)

    drawn = new_alphanumeric(EveryByte(), 252)

    assert {drawn.count(letter) for letter in set(drawn)} == {7}
