"""One token bucket.

A bucket holds up to `burst_requests` tokens and refills at `rate_per_second`; a request takes one. The state is the
level at the time of the last change, so nothing ticks in the background and two nodes need not agree on ticks.

Units: the level is kept in millionths of a token and times are whole microseconds since 1970, so one microsecond at
one request a second is exactly one unit. A level of seconds as floats would make the token that is due after exactly
100 ms late by a rounding error.

`take_token` neither reads the clock nor saves anything. A `now` before the last change adds nothing: a clock that is
set back never hands out tokens twice.

Source: API Gateway Developer Guide, "Throttle requests to your REST APIs": the rate is the refill in tokens per second
and the burst is the capacity.
"""

from typing import NamedTuple

__all__ = ["MICROS", "BucketState", "full_bucket", "take_token", "tokens_at"]

MICROS = 1_000_000
"""Units per token, and microseconds per second."""


class BucketState(NamedTuple):
    """A level in millionths of a token, and when it was that."""

    micro_tokens: float
    updated_at_us: int


def full_bucket(burst_requests: int, now_us: int) -> BucketState:
    """A bucket that nobody has taken from."""
    return BucketState(float(burst_requests * MICROS), now_us)


def tokens_at(state: BucketState, now_us: int, *, rate_per_second: float, burst_requests: int) -> BucketState:
    """`state` refilled up to `now_us`, never above the burst."""
    if now_us <= state.updated_at_us:
        return state
    level = state.micro_tokens + (now_us - state.updated_at_us) * rate_per_second
    return BucketState(min(level, float(burst_requests * MICROS)), now_us)


def take_token(
    state: BucketState, now_us: int, *, rate_per_second: float, burst_requests: int
) -> tuple[BucketState, bool]:
    """The next state, and whether there was a whole token to take."""
    refilled = tokens_at(state, now_us, rate_per_second=rate_per_second, burst_requests=burst_requests)
    if refilled.micro_tokens < MICROS:
        return refilled, False
    return BucketState(refilled.micro_tokens - MICROS, refilled.updated_at_us), True
