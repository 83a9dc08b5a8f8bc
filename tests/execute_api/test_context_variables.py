"""`$context`: the names that may be saved are the names that have a meaning."""

from velvetrope.events import CONTEXT_NAMES, is_context_name
from velvetrope.execute_api.context_variables import KNOWN_VARIABLES


def test_every_name_that_may_be_saved_is_known_to_the_lane_and_the_reverse() -> None:
    assert CONTEXT_NAMES == KNOWN_VARIABLES


def test_authorizers_name_their_own_variables() -> None:
    assert is_context_name("authorizer.claims.sub")
    assert not is_context_name("authorizer.")
    assert not is_context_name("identity.shoeSize")
