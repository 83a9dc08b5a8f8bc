"""What an error tells whom."""

from velvetrope.errors import VelvetropeError


def test_the_owner_is_told_the_message_and_the_detail_apart() -> None:
    assert (
        VelvetropeError("Access denied", detail="statement 2 denies").for_owner == "Access denied (statement 2 denies)"
    )
    assert VelvetropeError("Access denied").for_owner == "Access denied"
