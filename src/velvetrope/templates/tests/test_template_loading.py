"""Text of a template to plain data. Source: CloudFormation User Guide, "Template formats"."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.templates import InvalidTemplate, Value
from velvetrope.templates.loading import load_document
from velvetrope.templates.values import MAX_DEPTH


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref Pool", {"Ref": "Pool"}),
        ("!GetAtt Pool.Arn", {"Fn::GetAtt": ["Pool", "Arn"]}),
        ("!GetAtt Nested.Outputs.Url", {"Fn::GetAtt": ["Nested", "Outputs.Url"]}),
        ("!GetAtt [Pool, Arn]", {"Fn::GetAtt": ["Pool", "Arn"]}),
        ("!Sub 'a-${B}'", {"Fn::Sub": "a-${B}"}),
        ("!Sub ['a-${B}', {B: !Ref C}]", {"Fn::Sub": ["a-${B}", {"B": {"Ref": "C"}}]}),
        ("!Join ['-', [a, !Ref B]]", {"Fn::Join": ["-", ["a", {"Ref": "B"}]]}),
        ("!Select [0, !Split [',', 'a,b']]", {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}),
        ("!If [Live, 1, !Ref AWS::NoValue]", {"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]}),
        ("!And [!Condition A, !Not [!Equals [a, b]]]", None),
        ("!FindInMap [M, K, V]", {"Fn::FindInMap": ["M", "K", "V"]}),
        ("!Base64 text", {"Fn::Base64": "text"}),
        ("!Condition Live", {"Condition": "Live"}),
    ],
)
def test_short_forms_become_long_forms(short: str, long: Value) -> None:
    loaded = load_document(f"Value: {short}\n")

    expected = {"Fn::And": [{"Condition": "A"}, {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}]} if long is None else long
    assert loaded == {"Value": expected}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2012-10-17", "2012-10-17"),
        ("'5'", "5"),
        ("5", 5),
        ("1.5", 1.5),
        ("true", True),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("", None),
    ],
)
def test_scalars_are_what_their_writer_meant(text: str, value: Value) -> None:
    assert load_document(f"Value: {text}\n") == {"Value": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert load_document("200: a\ntrue: b\n2012-10-17: c\n") == {"200": "a", "true": "b", "2012-10-17": "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "Template format error: Duplicate key a. (line 2, column 1)"),
        ('{"a": 1, "a": 2}', "Template format error: Duplicate key a in the template."),
        ("a: &x 1\nb: *x\n", "Template error: YAML aliases are not allowed in CloudFormation templates"),
        ("a: {<<: {b: 1}}\n", "Template format error: YAML hash merges are not allowed. (line 1, column 5)"),
        ("a: !Nonsense b\n", "Template format error: Encountered unsupported tag !Nonsense. (line 1, column 4)"),
        (
            "a: !!binary aGk=\n",
            "Template format error: the YAML tag tag:yaml.org,2002:binary is not supported. (line 1, column 4)",
        ),
        (
            "a: !!set {b}\n",
            "Template format error: the YAML tag tag:yaml.org,2002:set is not supported. (line 1, column 4)",
        ),
        ("? [a, b]\n: c\n", "Template format error: a key is not text. (line 1, column 3)"),
        ("a: [\n", "Template format error: YAML not well-formed. (line 2, column 1)"),
        ("a: 1\n---\nb: 2\n", "Template format error: a template is one YAML document."),
        ('{"a": }', "Template format error: JSON not well-formed. (line 1, column 7)"),
        ('{"a": NaN}', "Template format error: JSON not well-formed. (NaN is not a JSON value)"),
        ("just text", "Template format error: unsupported structure."),
        ("", "Template format error: unsupported structure."),
        ("a: " + "9" * 5000, "Template format error: YAML not well-formed."),
        ('{"a": ' + "9" * 5000 + "}", "Template format error: JSON not well-formed."),
    ],
)
def test_what_cloudformation_refuses_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        load_document(text)

    assert refused.value.message == message


@pytest.mark.parametrize("text", ["a: " + "[" * 50_000, '{"a": ' + "[" * 50_000, "a: " + "{b: " * 50_000])
def test_a_document_of_endless_depth_ends_in_an_error_and_not_in_the_process(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        load_document(text)


@pytest.mark.parametrize("start", ["a: ", '{"a": '])
def test_depth_is_allowed_up_to_the_limit(start: str) -> None:
    def document(lists: int) -> str:
        return start + "[" * lists + "]" * lists + ("}" if start.startswith("{") else "")

    load_document(document(MAX_DEPTH - 1))
    with pytest.raises(InvalidTemplate, match="nested more than 100 levels"):
        load_document(document(MAX_DEPTH))


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ", min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abcXYZ", min_size=1), _json, max_size=4))
def test_json_is_read_back_as_it_was_written(document: dict[str, Value]) -> None:
    assert load_document(json.dumps(document)) == document
