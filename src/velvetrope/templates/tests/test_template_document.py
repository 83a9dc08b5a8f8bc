"""What the sections of a template may hold. Source: CloudFormation User Guide, "Template sections"."""

import pytest

from velvetrope.templates import InvalidTemplate, parse_template

MINIMAL = "Resources: {A: {Type: AWS::IAM::User}}\n"


def test_the_sections_become_types() -> None:
    template = parse_template(
        """
        AWSTemplateFormatVersion: 2010-09-09
        Description: A pool
        Parameters:
          Size: {Type: Number, Default: 5, MinValue: 1, NoEcho: true, AllowedValues: [1, 5]}
        Conditions: {Live: !Equals [a, a]}
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Condition: Live
            DependsOn: Other
            DeletionPolicy: Retain
            Properties: {UserPoolName: !Ref Size}
          Other: {Type: AWS::IAM::User}
        Outputs:
          PoolId: {Value: !Ref Pool, Description: The id}
        """
    )

    pool = template.resources["Pool"]
    assert (pool.type, pool.condition, pool.depends_on) == ("AWS::Cognito::UserPool", "Live", ("Other",))
    assert (pool.deletion_policy, pool.update_replace_policy) == ("Retain", "Delete")
    assert pool.properties == {"UserPoolName": {"Ref": "Size"}}
    size = template.parameters["Size"]
    assert (size.default, size.allowed_values, size.min_value, size.no_echo) == ("5", ("1", "5"), 1.0, True)
    assert template.outputs["PoolId"].description == "The id"
    assert template.description == "A pool"
    assert not template.is_serverless


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Description: x\n", "Template format error: At least one Resources member must be defined."),
        (MINIMAL + "Extra: {}\n", "Invalid template property or properties [Extra]"),
        (MINIMAL + "Globals: {}\n", "Invalid template property or properties [Globals]"),
        (MINIMAL + "Rules: {}\n", "The template section Rules is not supported by velvetrope."),
        (MINIMAL + "Hooks: {}\n", "The template section Hooks is not supported by velvetrope."),
        (
            MINIMAL + "Transform: AWS::LanguageExtensions\n",
            "The transform AWS::LanguageExtensions is not supported; only AWS::Serverless-2016-10-31 is.",
        ),
        (
            MINIMAL + "AWSTemplateFormatVersion: 2011-01-01\n",
            "Template format error: unsupported value for AWSTemplateFormatVersion.",
        ),
        (
            "Resources: {A: {}}\n",
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        ("Resources: {A-b: {Type: X}}\n", "Template format error: Resource name A-b is non alphanumeric."),
        ("Resources: {A: {Type: X, Foo: 1}}\n", "Invalid template resource property 'Foo' in resource A"),
        (
            "Resources: {A: {Type: X, UpdatePolicy: {}}}\n",
            "[/Resources/A] the resource attribute UpdatePolicy is not supported by velvetrope.",
        ),
        (
            "Resources: {A: {Type: X, DeletionPolicy: Snapshot}}\n",
            "Template error: [/Resources/A] resource type X does not support DeletionPolicy Snapshot",
        ),
        (
            "Resources: {A: {Type: X, UpdateReplacePolicy: RetainExceptOnCreate}}\n",
            "Template error: [/Resources/A] Unrecognized UpdateReplacePolicy RetainExceptOnCreate",
        ),
        (
            "Resources: {A: {Type: X, Properties: {B: {C: null}}}}\n",
            "[/Resources/A/Properties/B/C] 'null' values are not allowed in templates",
        ),
        (
            MINIMAL + "Parameters: {P: {Type: AWS::SSM::Parameter::Value<String>}}\n",
            "Template format error: Unrecognized parameter type: AWS::SSM::Parameter::Value<String> (Parameters/P)",
        ),
        (MINIMAL + "Parameters: {P: {Type: String, Foo: 1}}\n", "Invalid template parameter property 'Foo'"),
        (
            MINIMAL + "Outputs: {O: {Value: a, Export: {Name: b}}}\n",
            "[/Outputs/O] the output attribute Export is not supported by velvetrope.",
        ),
        (
            MINIMAL + "Outputs: {O: {}}\n",
            "Template format error: [/Outputs/O] Every Outputs member must contain a Value object",
        ),
        (
            MINIMAL + "Parameters: {A: {Type: String}}\n",
            "Template format error: Duplicate name A in Parameters and Resources.",
        ),
        (
            MINIMAL + "Mappings: {M: {K: {V: {W: x}}}}\n",
            "Template format error: Every Mappings attribute must be a String or a List. (M/K/V)",
        ),
    ],
)
def test_what_does_not_belong_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        parse_template(text)

    assert refused.value.message == message


def test_a_template_has_500_resources_at_most() -> None:
    def template(count: int) -> str:
        return "Resources:\n" + "".join(f"  R{n}: {{Type: AWS::IAM::User}}\n" for n in range(count))

    assert len(parse_template(template(500)).resources) == 500
    with pytest.raises(InvalidTemplate, match="Number of resources, 501, is greater than maximum allowed, 500"):
        parse_template(template(501))
