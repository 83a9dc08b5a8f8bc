"""Amazon Resource Names: parse them and print them. Matching one against a pattern is `policy`'s.

`arn:partition:service:region:account:resource`, six parts split at the first five colons; the sixth keeps its own
colons and slashes. Whether the thing named exists is not known here.

Source: AWS General Reference, "Amazon Resource Names (ARNs)".
"""

import re
from dataclasses import dataclass

from velvetrope.errors import ReasonError

__all__ = ["Arn", "InvalidArn", "parse_arn"]


class InvalidArn(ReasonError):
    """The text is not an ARN of six parts that starts with `arn:`."""


@dataclass(frozen=True, slots=True)
class Arn:
    """One parsed ARN. `region` and `account_id` are empty for global resources."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"

    @property
    def resource_type(self) -> str:
        """What stands before the first `/` or `:` of the resource part: `role`, `userpool`, `function`."""
        return re.split(r"[/:]", self.resource, maxsplit=1)[0]

    @property
    def resource_id(self) -> str:
        """What stands after the first `/` or `:` of the resource part; empty if there is neither."""
        parts = re.split(r"[/:]", self.resource, maxsplit=1)
        return parts[1] if len(parts) > 1 else ""


def parse_arn(text: str) -> Arn:
    """The parts of `text`. Empty partition or service is refused; other parts may be empty.

    Raises:
        InvalidArn: fewer than six parts, another prefix, or no partition, service or resource.
    """
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        raise InvalidArn(f"{text} is not a valid ARN")
    return Arn(*parts[1:])
