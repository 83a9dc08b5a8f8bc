"""Which function is meant: names, partial ARNs and full ARNs, each with or without a qualifier.

Every operation takes `name`, `name:qualifier`, `ACCOUNT:function:name[:qualifier]` or the full ARN, and most take a
qualifier of its own beside it. Here they become one `FunctionReference`. The model's own pattern lets more through than
Lambda documents (an ARN of a layer reads as the function `layer`); this one does not. Whether the function exists is
not known here.

Source: AWS Lambda API Reference, Invoke, FunctionName; texts as recorded in reference/lambda.md section 3.1.
"""

import re
from dataclasses import dataclass

from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException

__all__ = ["FunctionReference", "parse_function_name"]

_FORMS = re.compile(
    r"(?:(?:(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:(?P<region>[a-z0-9-]+):)?(?P<account_id>\d{12}):)?function:)?"
    r"(?P<name>[a-zA-Z0-9-_]{1,64})"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?"
)


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """One function of this account and region, and the qualifier that was asked for (empty if none)."""

    account_id: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """Without the qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """With the qualifier, if one was asked for."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def parse_function_name(text: str, qualifier: str | None = None, *, account_id: str, region: str) -> FunctionReference:
    """The function that `text` and `qualifier` name.

    Raises:
        InvalidParameterValueException: the two qualifiers differ, or `text` has none of the forms.
        ResourceNotFoundException: the ARN is one of another region or account.
    """
    parts = _FORMS.fullmatch(text)
    if parts is None:
        raise InvalidParameterValueException(f"The function name {text} is not valid.")
    if parts["region"] not in {None, region}:
        raise ResourceNotFoundException(
            f"Functions from '{parts['region']}' are not reachable in this region ('{region}')"
        )
    if parts["account_id"] not in {None, account_id} or parts["partition"] not in {None, "aws"}:
        raise ResourceNotFoundException(f"Function not found: {text}", detail="The function is of another account.")
    derived = parts["qualifier"]
    if derived and qualifier and derived != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionReference(account_id, region, parts["name"], derived or qualifier or "")
