"""What each step of a request decided and why, for the person who runs the API.

Rooms hand over `DecisionRecord`s through a recorder protocol that they declare themselves; `DecisionLog` keeps the
newest ones in memory (they are gone after a restart) and lets the console and `velvetrope explain` read them. A record
never holds a secret: no key value, no token, no signature.
"""

from velvetrope.decisions.log import DecisionLog
from velvetrope.decisions.records import DecisionRecord, DecisionStep

__all__ = ["DecisionLog", "DecisionRecord", "DecisionStep"]
