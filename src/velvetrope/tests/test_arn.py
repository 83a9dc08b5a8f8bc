"""ARNs: parsed, printed, matched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.arn import Arn, InvalidArn, parse_arn

part = st.text(st.characters(exclude_characters=":"), min_size=1, max_size=8)
resource = st.text(st.characters(), min_size=1, max_size=12)


@given(partition=part, service=part, region=part | st.just(""), account=part | st.just(""), rest=resource)
def test_parsing_what_was_printed_gives_it_back(
    partition: str, service: str, region: str, account: str, rest: str
) -> None:
    arn = Arn(partition, service, region, account, rest)

    assert parse_arn(str(arn)) == arn


@pytest.mark.parametrize("text", ["", "*", "arn:aws:iam::1", "ARN:aws:iam::1:x", "arn::iam::1:x", "arn:aws:iam::1:"])
def test_what_is_no_arn_is_refused(text: str) -> None:
    with pytest.raises(InvalidArn):
        parse_arn(text)


def test_a_resource_is_a_type_and_an_id() -> None:
    assert parse_arn("arn:aws:iam::1:role/path/name").resource_type == "role"
    assert parse_arn("arn:aws:iam::1:role/path/name").resource_id == "path/name"
    assert parse_arn("arn:aws:lambda:r:1:function:name:7").resource_id == "name:7"
    assert parse_arn("arn:aws:sqs:r:1:queue").resource_id == ""
