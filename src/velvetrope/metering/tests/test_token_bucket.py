"""One bucket: the burst, the refill to the microsecond, and the bound that nothing may break."""

from hypothesis import given
from hypothesis import strategies as st

from velvetrope.metering import BucketState, full_bucket, take_token, tokens_at
from velvetrope.metering.buckets import MICROS

_START = 1_767_225_600_000_000


def _take(state: BucketState, at_us: int, rate: float = 10.0, burst: int = 20) -> tuple[BucketState, bool]:
    return take_token(state, at_us, rate_per_second=rate, burst_requests=burst)


def test_burst_passes_at_once_and_not_one_more() -> None:
    state, answers = full_bucket(20, _START), []
    for _ in range(21):
        state, taken = _take(state, _START)
        answers.append(taken)

    assert answers == [True] * 20 + [False]


def test_next_token_is_there_after_exactly_one_tenth_of_a_second() -> None:
    state = BucketState(0.0, _START)

    assert _take(state, _START + 99_999)[1] is False
    assert _take(state, _START + 100_000)[1] is True


def test_refusals_do_not_hold_the_refill_back() -> None:
    state = BucketState(0.0, _START)
    for step in range(1, 100):
        state, taken = _take(state, _START + step * 1_000)
        assert taken is False

    assert _take(state, _START + 100_000)[1] is True


def test_a_long_rest_fills_no_more_than_the_burst() -> None:
    rested = tokens_at(BucketState(0.0, _START), _START + 3_600 * MICROS, rate_per_second=10.0, burst_requests=20)

    assert rested.micro_tokens == 20 * MICROS


def test_a_clock_that_goes_back_gives_nothing() -> None:
    state, _ = _take(full_bucket(1, _START), _START, burst=1)

    assert _take(state, _START - 10 * MICROS, burst=1) == (state, False)


def test_a_burst_of_nothing_refuses_everything() -> None:
    assert _take(full_bucket(0, _START), _START + MICROS, burst=0)[1] is False


@given(
    st.integers(min_value=1, max_value=50),
    st.integers(min_value=1, max_value=50),
    st.lists(st.integers(min_value=0, max_value=500_000), max_size=200),
)
def test_no_window_admits_more_than_burst_plus_refill(rate: int, burst: int, gaps: list[int]) -> None:
    state, now, admitted = full_bucket(burst, _START), _START, []
    for gap in gaps:
        now += gap
        state, taken = _take(state, now, float(rate), burst)
        if taken:
            admitted.append(now)

    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            assert (last - first + 1) * MICROS <= burst * MICROS + rate * (admitted[last] - start)
