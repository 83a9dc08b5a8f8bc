"""Parameters and redirect URIs: what is read, what is refused, and that rendering comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.oauth import MalformedRequest, Parameters, RequiredParameterMissing
from velvetrope.oauth.redirects import is_redirect_uri, put_on_uri

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


def test_a_parameter_without_a_value_is_absent() -> None:
    parameters = Parameters.parse("a=&b=1&c")

    assert (parameters.get("a"), parameters.get("b"), parameters.get("c")) == (None, "1", None)


def test_a_parameter_twice_is_named_and_has_no_value() -> None:
    parameters = Parameters.parse("a=1&a=2&b=1")

    assert parameters.get("a") is None
    assert parameters.repeated == {"a"}
    with pytest.raises(MalformedRequest):
        parameters.require("a")


def test_a_required_parameter_that_is_missing_is_told_in_awss_words() -> None:
    with pytest.raises(RequiredParameterMissing, match=r"^Required String parameter 'client_id' is not present$"):
        Parameters.parse("").require("client_id")


@pytest.mark.parametrize("text", ["a=%ff", "a=%00", "a=%0d%0aSet-Cookie:+x", "%7f=1", "&".join(["a=1"] * 51)])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest):
        Parameters.parse(text)


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=20))
def test_parameters_parse_to_what_was_rendered(pairs: list[tuple[str, str]]) -> None:
    parameters = Parameters(tuple(pairs))

    assert Parameters.parse(parameters.render()) == parameters


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com",
        "https://app.example.com:8443/cb?tenant=1",
        "http://localhost:5173/",
        "http://127.0.0.1/cb",
        "http://[::1]:3000/cb",
        "demoapp://signed-in",
        "com.example.app:/oauth",
    ],
)
def test_forms_that_a_browser_may_be_sent_to(uri: str) -> None:
    assert is_redirect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/login",
        "//evil.example/",
        "https://",
        "https:///path",
        "http://app.example.com/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "https://user@app.example.com/",
        "https://app.example.com/#fragment",
        "https://app.example.com/#",
        "https://app.example.com/a b",
        "https://app.example.com\\@evil.example/",
        "https://app.example.com/\r\nX: y",
        "https://app.exämple.com/",
        "https://app.example.com:port/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "demoapp:",
    ],
)
def test_forms_that_it_may_not(uri: str) -> None:
    assert not is_redirect_uri(uri)


@pytest.mark.parametrize(
    ("uri", "in_fragment", "expected"),
    [
        ("https://a.example/", False, "https://a.example/?code=1+2"),
        ("https://a.example/?x=y", False, "https://a.example/?x=y&code=1+2"),
        ("https://a.example/?x=y", True, "https://a.example/?x=y#code=1+2"),
        ("demoapp://cb", False, "demoapp://cb?code=1+2"),
    ],
)
def test_an_answer_is_put_on_the_uri(uri: str, in_fragment: bool, expected: str) -> None:
    assert put_on_uri(uri, {"code": "1 2"}, in_fragment=in_fragment) == expected
