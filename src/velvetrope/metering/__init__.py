"""Token buckets and quotas: given a state and `now`, the next state and yes or no.

`buckets` is one bucket, `slices` shares one out among nodes that do not talk to each other, `quotas` counts calls per
calendar period. All are plain functions over frozen values, so that the store can run them inside one transaction and
the request lane can run them in memory. Whose bucket it is, and what a refusal looks like, is not known here.

Source: API Gateway Developer Guide, "Throttle requests to your REST APIs" and "Usage plans and API keys".
"""

from velvetrope.metering.buckets import BucketState, full_bucket, take_token, tokens_at
from velvetrope.metering.quotas import QuotaPeriod, quota_allowance, quota_period_end, quota_period_start
from velvetrope.metering.slices import BucketLedger, BucketLimits, BucketSlice, new_ledger, release_slice, take_slice

__all__ = [
    "BucketLedger",
    "BucketLimits",
    "BucketSlice",
    "BucketState",
    "QuotaPeriod",
    "full_bucket",
    "new_ledger",
    "quota_allowance",
    "quota_period_end",
    "quota_period_start",
    "release_slice",
    "take_slice",
    "take_token",
    "tokens_at",
]
