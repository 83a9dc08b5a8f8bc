"""What authorizers said is remembered within bounds."""

from velvetrope.execute_api.authorizers import cache
from velvetrope.execute_api.authorizers.cache import VouchedBefore
from velvetrope.execute_api.requests import Vouched

VOUCHED = Vouched(context={"principalId": "p"})


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    known = VouchedBefore()
    keys = [known.key([str(number)]) for number in range(cache._MAX_ENTRIES + 1)]

    for key in keys:
        known.keep(key, VOUCHED, until=10.0)

    assert known.find(keys[0], 0.0) is None
    assert known.find(keys[1], 0.0) is VOUCHED
    assert known.find(keys[-1], 0.0) is VOUCHED


def test_what_was_said_holds_until_its_time_and_not_at_it() -> None:
    known = VouchedBefore()
    key = known.key(["a"])
    known.keep(key, VOUCHED, until=10.0)

    assert known.find(key, 9.999) is VOUCHED
    assert known.find(key, 10.0) is None
    assert known.find(key, 9.0) is None  # once over, it is over


def test_parts_of_an_identity_cannot_be_moved_from_one_to_the_next() -> None:
    assert VouchedBefore.key(["ab", "c"]) != VouchedBefore.key(["a", "bc"])
    assert VouchedBefore.key(["a", ""]) != VouchedBefore.key(["a"])
