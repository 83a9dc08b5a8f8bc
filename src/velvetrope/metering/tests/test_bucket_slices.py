"""One bucket in pieces: nodes that come, go, die and return never let more through than one bucket would."""

from hypothesis import given, settings
from hypothesis import strategies as st

from velvetrope.metering import BucketLimits, BucketState, new_ledger, release_slice, take_slice, take_token
from velvetrope.metering.buckets import MICROS

_START = 1_767_225_600_000_000
_TERM = MICROS
_LIMITS = BucketLimits(rate_per_second=10.0, burst_requests=20)


def test_the_only_node_gets_the_whole_bucket() -> None:
    _, piece = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)

    assert (piece.capacity_requests, piece.micro_tokens) == (20, 20 * MICROS)
    assert piece.rate_per_second(_LIMITS) == 10.0


def test_a_node_goes_on_from_the_level_it_reports_however_long_it_rested() -> None:
    ledger, _ = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)

    _, piece = take_slice(
        ledger, "a", _LIMITS, _START + 1_500_000, term_us=_TERM, spent_down_to=BucketState(0.0, _START)
    )

    assert piece.micro_tokens == 15 * MICROS


def test_a_newcomer_waits_one_term_and_then_has_an_equal_share() -> None:
    ledger, held = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)
    ledger, waiting = take_slice(ledger, "b", _LIMITS, _START + 10, term_us=_TERM)
    assert waiting.capacity_requests == 0

    later = _START + _TERM
    ledger, held = take_slice(ledger, "a", _LIMITS, later, term_us=_TERM, spent_down_to=held.state)
    ledger, given_up = take_slice(ledger, "b", _LIMITS, later, term_us=_TERM, spent_down_to=waiting.state)

    assert (held.capacity_requests, held.micro_tokens) == (10, 10 * MICROS)
    assert (given_up.capacity_requests, given_up.micro_tokens) == (10, 10 * MICROS)


def test_a_crashed_node_loses_what_it_had_not_spent_and_nothing_else() -> None:
    ledger, _ = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)

    ledger, early = take_slice(ledger, "b", _LIMITS, _START + _TERM - 1, term_us=_TERM)
    _, piece = take_slice(ledger, "b", _LIMITS, _START + _TERM + 300_000, term_us=_TERM, spent_down_to=early.state)

    assert early.capacity_requests == 0
    assert (piece.capacity_requests, piece.micro_tokens) == (20, 3 * MICROS)


def test_a_report_is_void_once_the_piece_went_to_others() -> None:
    ledger, held = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)
    ledger, _ = take_slice(ledger, "b", _LIMITS, _START + _TERM, term_us=_TERM)

    _, back = take_slice(ledger, "a", _LIMITS, _START + _TERM, term_us=_TERM, spent_down_to=held.state)

    assert (back.capacity_requests, back.micro_tokens) == (0, 0)


def test_a_piece_given_back_keeps_its_unspent_tokens() -> None:
    ledger, _ = take_slice(new_ledger(_LIMITS, _START), "a", _LIMITS, _START, term_us=_TERM)
    ledger = release_slice(ledger, "a", _LIMITS, _START, spent_down_to=BucketState(7.0 * MICROS, _START))

    _, piece = take_slice(ledger, "b", _LIMITS, _START, term_us=_TERM)

    assert (piece.capacity_requests, piece.micro_tokens) == (20, 7 * MICROS)


_STEPS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=700_000),  # how much later
        st.sampled_from("abc"),  # which node
        st.sampled_from(["spend", "spend", "spend", "spend", "crash", "leave"]),
        st.integers(min_value=1, max_value=12),  # how often
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(_STEPS, st.integers(min_value=1, max_value=9), st.integers(min_value=1, max_value=9))
def test_no_interleaving_of_nodes_and_crashes_admits_more_than_the_limit(
    steps: list[tuple[int, str, str, int]], rate: int, burst: int
) -> None:
    limits = BucketLimits(rate_per_second=float(rate), burst_requests=burst)
    ledger, now = new_ledger(limits, _START), _START
    held: dict[str, tuple[BucketState, float, int, int]] = {}  # state, rate, capacity, expires
    admitted: list[int] = []
    incarnation = 0
    for gap, name, action, count in steps:
        now += gap
        node = f"{name}{incarnation}" if action == "crash" else next((n for n in held if n[0] == name), name)
        if action == "crash":
            incarnation += 1
            held = {n: piece for n, piece in held.items() if n[0] != name}
            continue
        if action == "leave":
            if node in held:
                ledger = release_slice(ledger, node, limits, now, spent_down_to=held.pop(node)[0])
            continue
        if node not in held:
            node = f"{name}{incarnation}"
            incarnation += 1
        for _ in range(count):
            piece = held.get(node)
            if piece is None or now >= piece[3]:
                ledger, taken = take_slice(
                    ledger, node, limits, now, term_us=_TERM, spent_down_to=None if piece is None else piece[0]
                )
                piece = (taken.state, taken.rate_per_second(limits), taken.capacity_requests, taken.expires_at_us)
            state, passed = take_token(piece[0], now, rate_per_second=piece[1], burst_requests=piece[2])
            held[node] = (state, *piece[1:])
            if passed:
                admitted.append(now)

    assert ledger.free_capacity_requests + sum(p.capacity_requests for p in ledger.slices.values()) == burst
    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            # One unit of slack per request for shares of the rate that have no exact binary form.
            bound = burst * MICROS + rate * (admitted[last] - start) + len(admitted)
            assert (last - first + 1) * MICROS <= bound
