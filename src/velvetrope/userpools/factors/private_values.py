"""The server's half of coming SRP exchanges, made some at a time.

    private = values.take()     b and g^b, which nobody else has got or will get

g^b does not depend on whom it is for. Within a sign-in it costs half as much again as it would in a loop: the table
that it comes from, and the code, have been forgotten since the last one. So eight are made when one is needed and none
is left (decision 0058).

Nothing is lost by it. b is as random and as new as before, and is given out once, to whichever thread comes first. It
is in this process's memory alone, as it was, though until somebody takes it, and not for a millisecond; whoever reads
that memory finds the master keys there, which open verifiers without any b. An exchange that does not go on has spent
its own. A child of this process begins with none of its parent's. And that every eighth one takes longer tells a
stranger how many began, for real names and made-up ones alike, and not for whom.
"""

import os

from velvetrope.clock import Entropy
from velvetrope.srp import PRIVATE_VALUE_BYTES, PrivateValue, make_private_values

__all__ = ["PrivateValues"]

_AT_A_TIME = 8
"""A tenth of a millisecond each. More would gain less than they hold up who comes meanwhile."""


class PrivateValues:
    """Those that were made and not taken yet, of one process. Any of its threads may take."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._process = os.getpid()
        self._left: list[PrivateValue] = []

    def take(self) -> PrivateValue:
        """One that nobody took before."""
        if self._process != os.getpid():
            self._left, self._process = [], os.getpid()
        left = self._left
        try:
            return left.pop()
        except IndexError:  # asking first and taking then would be two steps, with another thread between them
            first, *others = make_private_values(self._entropy.token_bytes(_AT_A_TIME * PRIVATE_VALUE_BYTES))
        left.extend(others)
        return first
