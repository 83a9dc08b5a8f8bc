"""Parameters, conditions and functions. Source: CloudFormation User Guide, "Intrinsic function reference"."""

import pytest

from velvetrope.templates import (
    UNKNOWN,
    ActiveTemplate,
    InvalidParameters,
    InvalidTemplate,
    ParameterValue,
    Unknown,
    Value,
    activate,
    parse_template,
    resolve,
    resolve_parameters,
)

PSEUDO: dict[str, ParameterValue] = {
    "AWS::Region": "us-west-2",
    "AWS::StackName": "demo",
    "AWS::NotificationARNs": [],
}


class OneResource:
    """`Pool`, which may not be there yet."""

    def __init__(self, *, known: bool = True) -> None:
        self.known = known

    def reference(self, logical_id: str) -> str | Unknown:
        return f"{logical_id}-id" if self.known else UNKNOWN

    def attribute(self, logical_id: str, name: str) -> Value:
        return f"{logical_id}.{name}" if self.known else UNKNOWN


def activated(text: str, **parameters: str) -> ActiveTemplate:
    return activate(parse_template(text), parameters=parameters, pseudo_parameters=PSEUDO)


def resolved(value: str, *, known: bool = True, sections: str = "", **parameters: str) -> Value:
    active = activated(
        f"""
Parameters:
  Name: {{Type: String, Default: widget}}
  Ids: {{Type: CommaDelimitedList, Default: "a, b,c"}}
Mappings: {{Sizes: {{us-west-2: {{small: 5, names: [x, y]}}}}}}
{sections}
Resources: {{Thing: {{Type: T, Properties: {{Value: {value}}}}}}}
""",
        **parameters,
    )
    properties = active.resources["Thing"].properties
    found = resolve(dict(properties), active.scope_with(OneResource(known=known)), where="Resources/Thing")
    assert isinstance(found, dict)
    return found.get("Value", "nothing")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!Ref Name", "widget"),
        ("!Ref Ids", ["a", "b", "c"]),
        ("!Ref AWS::Region", "us-west-2"),
        ("!Ref AWS::NotificationARNs", []),
        ("!Ref Pool", "Pool-id"),
        ("!GetAtt Pool.Arn", "Pool.Arn"),
        ("{'Fn::GetAtt': 'Pool.Arn'}", "Pool.Arn"),
        ("{'Fn::GetAtt': [Pool, !Ref Name]}", "Pool.widget"),
        (
            "!Sub '${Name} ${Pool} ${Pool.Arn} ${AWS::Region} ${!Name} $Name'",
            "widget Pool-id Pool.Arn us-west-2 ${Name} $Name",
        ),
        ("!Sub ['${Name}-${Own}', {Own: !Ref Pool}]", "widget-Pool-id"),
        ("!Sub ['${Name}', {Name: 5}]", "5"),
        ("!Join ['', [a, 5, true, !Ref Name]]", "a5truewidget"),
        ("!Join ['/', !Ref Ids]", "a/b/c"),
        ("!Select [1, !Ref Ids]", "b"),
        ("!Select ['0', [x, y]]", "x"),
        ("!Split ['.', 'a.b.']", ["a", "b", ""]),
        ("!FindInMap [Sizes, !Ref AWS::Region, small]", 5),
        ("!FindInMap [Sizes, us-west-2, names]", ["x", "y"]),
        ("!Base64 hello", "aGVsbG8="),
        ("{Condition: {StringEquals: {a: !Ref Name}}}", {"Condition": {"StringEquals": {"a": "widget"}}}),
        ("[!Ref Name, plain]", ["widget", "plain"]),
    ],
)
def test_each_function_gives_its_value(value: str, expected: Value) -> None:
    assert resolved(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "!Ref Pool",
        "!GetAtt Pool.Arn",
        "!Sub 'a-${Pool}'",
        "!Join ['', [a, !Ref Pool]]",
        "!Base64 {Ref: Pool}",
        "!Select [0, !Split [',', !Ref Pool]]",
        "!Sub ['${X}', {X: !Ref Pool}]",
    ],
)
def test_a_function_over_what_is_not_known_is_not_known(value: str) -> None:
    assert resolved(value, known=False) is UNKNOWN


def test_the_unknown_leaves_the_form_around_it() -> None:
    assert resolved("{a: [1, !Ref Pool]}", known=False) == {"a": [1, UNKNOWN]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("!GetAZs ''", "Encountered unsupported function: Fn::GetAZs"),
        ("!ImportValue x", "Encountered unsupported function: Fn::ImportValue"),
        ("{'Fn::Nonsense': 1}", "Encountered unsupported function: Fn::Nonsense"),
        ("{'Fn::Sub': a, other: b}", "Fn::Sub must be the only key of its object"),
        ("!Ref [a]", "every Ref object must have a single String value"),
        ("!GetAtt Pool", "every Fn::GetAtt object requires two non-empty parameters"),
        ("!Sub [a]", "don't specify expected arguments"),
        ("!Sub '${Ids}'", "Fn::Sub cannot write Ids into text; it is a list"),
        ("!Sub '${}'", "variable names in Fn::Sub syntax must not be empty"),
        ("!Join ['-']", "every Fn::Join object requires two parameters"),
        ("!Join ['-', [[a]]]", "every item that Fn::Join joins must be a string"),
        ("!Select [3, !Ref Ids]", "cannot select nonexistent value at index 3"),
        ("!Select [a, !Ref Ids]", "Fn::Select requires a list argument"),
        ("!Split ['', a]", "every Fn::Split object requires two parameters"),
        ("!FindInMap [Sizes, nowhere, small]", "Unable to get mapping for Sizes::nowhere::small"),
        ("!Base64 [a]", "every Fn::Base64 object must have a String-typed value."),
        ("'{{resolve:ssm:x}}'", "Dynamic references ({{resolve:…) are not supported by velvetrope"),
        ("!If [Live, a]", "Fn::If requires a list argument with three elements"),
        ("!If [Absent, a, b]", "unresolved condition dependency Absent in Resources/Thing"),
    ],
)
def test_wrong_functions_are_refused_with_the_place(value: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        resolved(value)

    assert message in refused.value.message
    assert "Resources/Thing" in refused.value.message


def test_a_branch_not_taken_is_gone_and_no_value_takes_its_key_with_it() -> None:
    sections = "Conditions: {Live: !Equals [!Ref Name, live]}"

    assert resolved("!If [Live, !Ref Pool, idle]", sections=sections) == "idle"
    assert resolved("!If [Live, !Ref Pool, idle]", sections=sections, Name="live") == "Pool-id"
    assert resolved("!If [Live, a, !Ref AWS::NoValue]", sections=sections) == "nothing"
    assert resolved("[a, !If [Live, b, !Ref AWS::NoValue]]", sections=sections) == ["a"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("!Equals [a, a]", True),
        ("!Equals [a, b]", False),
        ("!Equals [!Ref Name, widget]", True),
        ("!Equals [5, '5']", True),
        ("!Not [!Condition Yes]", False),
        ("!And [!Condition Yes, !Equals [a, a]]", True),
        ("!And [!Condition Yes, !Equals [a, b]]", False),
        ("!Or [!Equals [a, b], !Condition Yes]", True),
        ("!Or [!Equals [a, b], !Equals [c, d]]", False),
    ],
)
def test_conditions_decide_which_resources_there_are(condition: str, holds: bool) -> None:
    active = activated(
        f"""
Parameters: {{Name: {{Type: String, Default: widget}}}}
Conditions: {{Asked: {condition}, "Yes": !Equals [x, x]}}
Resources: {{A: {{Type: T, Condition: Asked}}, B: {{Type: T}}}}
Outputs: {{O: {{Value: x, Condition: Asked}}}}
"""
    )

    assert ("A" in active.resources, "O" in active.outputs) == (holds, holds)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("{A: !Condition B, B: !Condition A}", "circular dependency between conditions: [A, B, A]"),
        ("{A: !Condition B}", "unresolved condition dependency B in Conditions/A"),
        ("{A: !Equals [!Ref Thing, x]}", "Unresolved dependencies [Thing] (Conditions/A)"),
        ("{A: !Equals [!GetAtt Thing.X, x]}", "Unresolved dependencies [Thing] (Conditions/A)"),
        ("{A: !And [!Equals [a, a]]}", "Fn::And is no condition, or has wrong arguments"),
        ("{A: plain}", "Every Conditions member must be a condition function"),
    ],
)
def test_wrong_conditions_are_refused(conditions: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        activated(f"Conditions: {conditions}\nResources: {{Thing: {{Type: T}}}}\n")

    assert message in refused.value.message


@pytest.mark.parametrize(
    ("definition", "value", "message"),
    [
        ("{Type: String}", None, "Parameters: [P] must have values"),
        ("{Type: String, AllowedValues: [a, b]}", "c", "Parameter 'P' must be one of AllowedValues"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "a1", "Parameter 'P' must match pattern [a-z]+"),
        (
            "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: letters}",
            "1",
            "Parameter P failed to satisfy constraint: letters",
        ),
        ("{Type: String, MinLength: 2}", "a", "Parameter 'P' must contain at least 2 characters"),
        ("{Type: String, MaxLength: 2}", "abc", "Parameter 'P' must contain at most 2 characters"),
        ("{Type: Number}", "x", "Parameter 'P' must be a number"),
        ("{Type: Number, MinValue: 2}", "1", "Parameter 'P' must be a number not less than 2"),
        ("{Type: Number, MaxValue: 2}", "3", "Parameter 'P' must be a number not greater than 2"),
        ("{Type: List<Number>}", "1,x", "Parameter 'P' must be a number"),
    ],
)
def test_a_parameter_is_held_to_its_rule(definition: str, value: str | None, message: str) -> None:
    template = parse_template(f"Parameters: {{P: {definition}}}\nResources: {{A: {{Type: T}}}}\n")

    with pytest.raises(InvalidParameters) as refused:
        resolve_parameters(template, {} if value is None else {"P": value})

    assert refused.value.message == message


def test_a_parameter_at_its_bound_is_taken() -> None:
    template = parse_template(
        "Parameters: {N: {Type: Number, MinValue: 2, MaxValue: 2}, S: {Type: String, MinLength: 1, MaxLength: 1}}\n"
        "Resources: {A: {Type: T}}\n"
    )

    assert resolve_parameters(template, {"N": "2", "S": "x"}) == {"N": "2", "S": "x"}


def test_a_parameter_that_the_template_lacks_is_refused() -> None:
    template = parse_template("Resources: {A: {Type: T}}\n")

    with pytest.raises(InvalidParameters, match=r"Parameters: \[Nope\] do not exist in the template"):
        resolve_parameters(template, {"Nope": "x"})
