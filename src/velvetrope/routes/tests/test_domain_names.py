"""Which names can be made, and which are nobody's to make."""

import pytest

from velvetrope.routes import UnusableDomainName, WildcardDomainName, is_mapping_key, parse_domain_name

OWN = ("api.localhost", "*.auth.localhost")
HOST_NAMES = ["api.example.com", "API.Example.COM", "a.b", "xn--bcher-kva.example", "1.example.com"]
NO_HOST_NAMES = [
    *("", "localhost", ".example.com", "example.com.", "a..b", "a_b.com", "-a.com", "a-.com", "127.0.0.1", "::1"),
    *("a b.com", "example.com:80", "http://example.com", "a.com/b", "é.com", "a.com\n", "a" * 64 + ".com"),
    ".".join(["a" * 60] * 5),
]
SOMEBODY_ELSES = [
    *("api.localhost", "API.localhost", "people.auth.localhost", "a.b.auth.localhost", "sts.amazonaws.com"),
    *("x.auth.us-west-2.amazoncognito.com", "abc.lambda-url.us-west-2.on.aws", "a.execute-api.example.com"),
]


@pytest.mark.parametrize("text", HOST_NAMES)
def test_a_host_name_is_kept_in_lower_case(text: str) -> None:
    assert parse_domain_name(text, own=OWN) == text.lower()


@pytest.mark.parametrize("text", NO_HOST_NAMES)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(UnusableDomainName, match="Invalid domain name specified"):
        parse_domain_name(text, own=OWN)


@pytest.mark.parametrize("text", SOMEBODY_ELSES)
def test_names_of_the_server_and_of_aws_are_refused(text: str) -> None:
    with pytest.raises(UnusableDomainName, match="one of this server's or of AWS's own"):
        parse_domain_name(text, own=OWN)


def test_a_wildcard_is_told_from_a_name_that_is_none() -> None:
    with pytest.raises(WildcardDomainName):
        parse_domain_name("*.example.com", own=OWN)


@pytest.mark.parametrize("key", ["v1", "v1/pets", "a.b", "$x", "a+b!*'()-_", "a" * 300])
def test_a_key_is_a_path_of_segments(key: str) -> None:
    assert is_mapping_key(key)


@pytest.mark.parametrize("key", ["", "/", "/v1", "v1/", "a//b", "..", "a/../b", ".", "a b", "a%20b", "a?b", "a" * 301])
def test_what_clients_would_change_or_cut_is_no_key(key: str) -> None:
    assert not is_mapping_key(key)
