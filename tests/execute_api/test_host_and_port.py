"""The Host header, taken apart."""

import pytest

from velvetrope.execute_api.requests import host_and_port


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (b"localhost:4800", ("localhost", "4800")),
        (b"api.example", ("api.example", "")),
        (b"[::1]:4800", ("[::1]", "4800")),
        (b"[::1]", ("[::1]", "")),
        (b"", ("", "")),
    ],
)
def test_a_host_has_a_name_and_maybe_a_port(header: bytes, parts: tuple[str, str]) -> None:
    assert host_and_port({b"host": header}) == parts
