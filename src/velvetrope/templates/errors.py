"""What can be wrong with a template, in CloudFormation's words.

    ReasonError
    └── InvalidTemplate            anything below; services answer it as ValidationError
        ├── CircularDependency     resources that wait for each other
        ├── InvalidParameters      values that the template's Parameters section does not admit
        └── TransformFailed        AWS::Serverless-2016-10-31 refused the document

The sentences are CloudFormation's own where AWS prints or documents one; where it has none (a feature of AWS that we
refuse), the sentence names the thing and the logical id it stands in.
"""

from velvetrope.errors import ReasonError

__all__ = ["CircularDependency", "InvalidParameters", "InvalidTemplate", "TransformFailed"]


class InvalidTemplate(ReasonError):
    """The document is not a template that can be carried out."""


class CircularDependency(InvalidTemplate):
    """Resources wait for each other. `logical_ids` are the members of the circle."""

    def __init__(self, logical_ids: tuple[str, ...]) -> None:
        super().__init__(f"Circular dependency between resources: [{', '.join(logical_ids)}]")
        self.logical_ids = logical_ids


class InvalidParameters(InvalidTemplate):
    """A parameter is missing, unknown, or its value breaks the rule that the template gives for it."""


class TransformFailed(InvalidTemplate):
    """The SAM transform refused the document."""
