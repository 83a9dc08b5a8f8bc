"""The ids of requests: drawn many at once, and no two alike."""

import re

from velvetrope.execute_api import header_lines
from velvetrope.execute_api.requests import RequestIdSource
from velvetrope.server.machine import SystemEntropy


def test_no_two_requests_have_the_same_ids_within_a_draw_and_beyond() -> None:
    source = RequestIdSource(SystemEntropy())

    drawn = [source.next() for _ in range(250)]

    assert len({ids.request_id for ids in drawn}) == 250
    assert len({ids.extended_request_id for ids in drawn}) == 250


def test_a_request_id_is_a_version_4_uuid_and_the_extended_one_ends_as_on_aws() -> None:
    ids = RequestIdSource(SystemEntropy()).next()

    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", ids.request_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{15}=", ids.extended_request_id)
    assert ids.headers == (
        (b"x-amzn-RequestId", ids.request_id.encode()),
        (b"x-amz-apigw-id", ids.extended_request_id.encode()),
    )
    assert ids.lines == header_lines(ids.headers)
