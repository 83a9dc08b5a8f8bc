"""What each step of a request decided and why, for the person who runs the API.

The edge hands over `DecisionRecord`s to a `Recorder`, the request lane their fields to a protocol of its own;
`DecisionLog` is both, and keeps the newest ones in memory. `Refusals` keeps those of refused requests in the store,
sealed, where every node finds them and a restart leaves them; `velvetrope explain` and the owner's pages ask it. A
record never holds a secret: no key value, no token, no signature.
"""

from velvetrope.decisions.log import DecisionLog
from velvetrope.decisions.records import DecisionRecord, DecisionStep, Recorder
from velvetrope.decisions.refusals import Refusals

__all__ = ["DecisionLog", "DecisionRecord", "DecisionStep", "Recorder", "Refusals"]
