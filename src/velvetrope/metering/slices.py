"""One bucket shared by nodes that only meet in the store.

Tokens cannot simply be handed out in advance: a node that holds ten unspent tokens while the bucket refills behind
them lets burst plus ten through. So what a node leases is a piece of the BUCKET: some of its capacity with the same
share of its rate and some of its tokens. The pieces always add up to the whole, each refills no faster than its share
and holds no more than its capacity, hence all nodes together never let more through than one bucket would.

    ledger = new_ledger(limits, now_us)
    ledger, slice_ = take_slice(ledger, "node-a", limits, now_us, term_us=1_000_000)
    # node-a now runs metering.take_token on its own piece until slice_.expires_at_us, and then renews:
    ledger, slice_ = take_slice(ledger, "node-a", limits, later_us, term_us=1_000_000, spent_down_to=state)

- The only node gets the whole bucket: within one node the limit is exact to the request, with one write per term.
- When a second node asks it may find nothing free. It is entered as a claimant, and at the next renewal the holder
  gives up what is above an equal share. Until then (one term at the most) the newcomer has no tokens.
- A node that stops renewing loses its piece when the term is over. Its tokens count as spent; the piece starts again
  from empty at that moment. A node that comes back and finds its entry untouched goes on from the level it reports,
  since it promised not to spend after the term.

The other choice was slices of bare tokens that expire. It is wrong by rate times expiry, or by the slice.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.metering.buckets import MICROS, BucketState, tokens_at

__all__ = ["BucketLedger", "BucketLimits", "BucketSlice", "new_ledger", "release_slice", "take_slice"]


class BucketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Refill in requests per second, and the capacity in requests."""

    rate_per_second: float
    burst_requests: int


class BucketSlice(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a bucket: its capacity in requests, its level when it was written, and until when it may be spent.

    A slice of capacity 0 belongs to a node that is waiting for its share.
    """

    capacity_requests: int
    micro_tokens: float
    updated_at_us: int
    expires_at_us: int

    @property
    def state(self) -> BucketState:
        return BucketState(self.micro_tokens, self.updated_at_us)

    def rate_per_second(self, limits: BucketLimits) -> float:
        """The share of the rate that goes with this share of the capacity."""
        if limits.burst_requests == 0:
            return 0.0
        return limits.rate_per_second * self.capacity_requests / limits.burst_requests


class BucketLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds which piece. `free_*` is what nobody holds; all capacities add up to the burst."""

    free_capacity_requests: int
    free_micro_tokens: float
    free_updated_at_us: int
    slices: Mapping[str, BucketSlice] = msgspec.field(default_factory=dict)


def new_ledger(limits: BucketLimits, now_us: int) -> BucketLedger:
    """A full bucket that nobody holds a piece of."""
    return BucketLedger(
        free_capacity_requests=limits.burst_requests,
        free_micro_tokens=float(limits.burst_requests * MICROS),
        free_updated_at_us=now_us,
    )


def take_slice(
    ledger: BucketLedger,
    node_id: str,
    limits: BucketLimits,
    now_us: int,
    *,
    term_us: int,
    spent_down_to: BucketState | None = None,
) -> tuple[BucketLedger, BucketSlice]:
    """A piece for `node_id` until `now_us + term_us`: all that is free, or an equal share when others want some too.

    `spent_down_to` is the level that the node had when it last spent from its piece; without it the piece counts as
    spent. It is ignored if the node's piece has meanwhile been given to others.
    """
    now_us = max(now_us, ledger.free_updated_at_us)
    pool, others = _gather(ledger, node_id, limits, now_us)
    held = ledger.slices.get(node_id)
    own_capacity, own_tokens = 0, 0.0
    if held is not None and spent_down_to is not None:
        level = _refilled(held, spent_down_to, limits, now_us)
        own_capacity, own_tokens = held.capacity_requests, level
    elif held is not None:
        own_capacity = held.capacity_requests

    capacity, tokens = own_capacity + pool[0], own_tokens + pool[1]
    share = limits.burst_requests
    if others:
        share = max(1, limits.burst_requests // (len(others) + 1))
    kept = min(capacity, share)
    # Tokens go along in proportion, whole units only, and no piece is given more than it can hold.
    kept_tokens = min(tokens, float(kept * MICROS)) if kept == capacity else _proportion(tokens, kept, capacity)
    mine = BucketSlice(
        capacity_requests=kept, micro_tokens=kept_tokens, updated_at_us=now_us, expires_at_us=now_us + term_us
    )
    rest = BucketLedger(
        free_capacity_requests=capacity - kept,
        free_micro_tokens=min(max(tokens - kept_tokens, 0.0), float((capacity - kept) * MICROS)),
        free_updated_at_us=now_us,
        slices={**others, node_id: mine},
    )
    return rest, mine


def release_slice(
    ledger: BucketLedger, node_id: str, limits: BucketLimits, now_us: int, *, spent_down_to: BucketState
) -> BucketLedger:
    """The ledger after `node_id` gave its piece back, unspent tokens included."""
    now_us = max(now_us, ledger.free_updated_at_us)
    pool, others = _gather(ledger, node_id, limits, now_us)
    held = ledger.slices.get(node_id)
    capacity, tokens = pool
    if held is not None:
        capacity += held.capacity_requests
        tokens += _refilled(held, spent_down_to, limits, now_us)
    return BucketLedger(
        free_capacity_requests=capacity, free_micro_tokens=tokens, free_updated_at_us=now_us, slices=others
    )


def _gather(
    ledger: BucketLedger, node_id: str, limits: BucketLimits, now_us: int
) -> tuple[tuple[int, float], dict[str, BucketSlice]]:
    # What is free now (capacity, tokens), with the pieces of nodes whose term is over; and the pieces still held.
    free = BucketSlice(
        capacity_requests=ledger.free_capacity_requests,
        micro_tokens=ledger.free_micro_tokens,
        updated_at_us=ledger.free_updated_at_us,
        expires_at_us=now_us,
    )
    capacity, tokens = free.capacity_requests, _refilled(free, free.state, limits, now_us)
    others: dict[str, BucketSlice] = {}
    for name, piece in ledger.slices.items():
        if name == node_id:
            continue
        if piece.expires_at_us > now_us:
            others[name] = piece
        else:
            capacity += piece.capacity_requests
            tokens += _refilled(piece, BucketState(0.0, piece.expires_at_us), limits, now_us)
    return (capacity, tokens), others


def _refilled(piece: BucketSlice, state: BucketState, limits: BucketLimits, now_us: int) -> float:
    return tokens_at(
        state, now_us, rate_per_second=piece.rate_per_second(limits), burst_requests=piece.capacity_requests
    ).micro_tokens


def _proportion(tokens: float, kept: int, capacity: int) -> float:
    return float(int(tokens * kept / capacity)) if capacity else 0.0
