"""References and the order that follows from them."""

import pytest

from velvetrope.templates import (
    ActiveTemplate,
    CircularDependency,
    InvalidTemplate,
    Template,
    activate,
    check_references,
    dependencies,
    order_resources,
    parse_template,
)

ATTRIBUTES = {"T": frozenset({"Arn", "Nested.Value"})}


def both(text: str) -> tuple[Template, ActiveTemplate]:
    template = parse_template(text)
    return template, activate(template, parameters={}, pseudo_parameters={"AWS::Region": "us-west-2"})


def test_resources_come_after_what_they_name() -> None:
    _, active = both(
        """
Resources:
  D: {Type: T, DependsOn: [C]}
  C: {Type: T, Properties: {X: !Sub '${B.Arn} ${AWS::Region} ${!A}'}}
  B: {Type: T, Properties: {X: {Y: [!GetAtt A.Arn]}}}
  A: {Type: T}
  E: {Type: T, Properties: {X: !Sub ['${B} ${Own}', {Own: !Ref A, B: x}]}}
"""
    )

    waits_for = dependencies(active)

    assert waits_for == {
        "A": frozenset(),
        "B": frozenset({"A"}),
        "C": frozenset({"B"}),
        "D": frozenset({"C"}),
        "E": frozenset({"A"}),
    }
    assert order_resources(waits_for) == ("A", "B", "E", "C", "D")


def test_a_branch_not_taken_is_no_dependency() -> None:
    _, active = both(
        """
Conditions: {Never: !Equals [a, b]}
Resources:
  A: {Type: T, Properties: {X: !If [Never, !Ref B, none]}}
  B: {Type: T, Properties: {X: !Ref A}}
"""
    )

    assert order_resources(dependencies(active)) == ("A", "B")


def test_a_circle_is_refused_and_its_members_are_named() -> None:
    _, active = both(
        """
Resources:
  A: {Type: T, Properties: {X: !Ref B}}
  B: {Type: T, DependsOn: C}
  C: {Type: T, Properties: {X: !GetAtt A.Arn}}
  OnlyWaits: {Type: T, Properties: {X: !Ref A}}
  IsWaitedFor: {Type: T}
"""
    )

    with pytest.raises(CircularDependency) as refused:
        order_resources(dependencies(active))

    assert refused.value.message == "Circular dependency between resources: [A, B, C]"


def test_a_resource_that_names_itself_is_a_circle() -> None:
    _, active = both("Resources: {A: {Type: T, Properties: {X: !Ref A}}}\n")

    with pytest.raises(CircularDependency):
        order_resources(dependencies(active))


def unresolved(name: str, block: str, place: str) -> str:
    found = f"Template format error: Unresolved resource dependencies [{name}]"
    return f"{found} in the {block} block of the template ({place})"


SWITCHED_OFF = "Conditions: {Never: !Equals [a, b]}\nResources: {A: {Type: T, Condition: Never}, B: {Type: T, %s}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: {A: {Type: U}}", "Template format error: Unrecognized resource types: [U]"),
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref B}}}",
            unresolved("B", "Resources", "Resources/A"),
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Sub '${B}'}}}",
            unresolved("B", "Resources", "Resources/A"),
        ),
        (
            "Resources: {A: {Type: T, DependsOn: B}}",
            unresolved("B", "Resources", "Resources/A/DependsOn"),
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !GetAtt B.Arn}}}",
            "Template error: instance of Fn::GetAtt references undefined resource B (Resources/A)",
        ),
        (
            "Resources: {A: {Type: T}, B: {Type: T, Properties: {X: !GetAtt A.Nope}}}",
            "Template error: resource A does not support attribute type Nope in Fn::GetAtt (Resources/B)",
        ),
        (
            "Resources: {A: {Type: T}, B: {Type: T, Properties: {X: !Sub '${A.Nope}'}}}",
            "Template error: resource A does not support attribute type Nope in Fn::Sub (Resources/B)",
        ),
        (
            "Resources: {A: {Type: T}}\nOutputs: {O: {Value: !Ref B}}",
            unresolved("B", "Outputs", "Outputs/O"),
        ),
        (
            SWITCHED_OFF % "Properties: {X: !Ref A}",
            unresolved("A", "Resources", "Resources/B"),
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(text: str, message: str) -> None:
    template, active = both(text)

    with pytest.raises(InvalidTemplate) as refused:
        check_references(template, active, ATTRIBUTES)

    assert refused.value.message == message


def test_waiting_for_a_resource_that_is_switched_off_is_no_wait() -> None:
    template, active = both(SWITCHED_OFF % "DependsOn: A")

    check_references(template, active, ATTRIBUTES)

    assert dependencies(active) == {"B": frozenset()}


def test_an_attribute_may_have_dots() -> None:
    template, active = both("Resources: {A: {Type: T}, B: {Type: T, Properties: {X: !GetAtt A.Nested.Value}}}")

    check_references(template, active, ATTRIBUTES)
