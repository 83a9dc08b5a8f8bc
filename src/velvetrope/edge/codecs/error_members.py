"""What a modelled error carries besides its code: Lambda's `Type` and `Reason`, `retryAfterSeconds`, `Message`'s case.

Lambda spells the text `Message` in some errors and `message` in others; its model knows which. A member such as
`Reason` is taken from the error's attribute of the same name in snake case, if the service set one.
"""

from dataclasses import dataclass, field

from velvetrope.edge.codecs.values import header_value
from velvetrope.edge.models import ServiceModel
from velvetrope.errors import ServiceError

__all__ = ["ErrorMembers", "modelled_members"]


@dataclass(slots=True)
class ErrorMembers:
    """The further members of one error."""

    body: dict[str, object] = field(default_factory=dict)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    message_key: str = "message"


def modelled_members(error: ServiceError, model: ServiceModel) -> ErrorMembers:
    """The members that the model gives to errors of this code; none for codes that the model does not list."""
    found = ErrorMembers()
    shape = model.error_shape(error.code)
    if shape is None:
        return found
    for member in shape.members.values():
        value = getattr(error, member.snake_name, None)
        if member.name.lower() == "message":
            found.message_key = member.wire_name
        elif member.name == "Type" and member.location is None:
            found.body["Type"] = "User" if error.http_status < 500 else "Service"
        elif isinstance(value, (str, int, float)) and member.location == "header":
            found.headers.append((member.wire_name.encode(), header_value(str(value))))
        elif isinstance(value, (str, int, float)) and member.location is None:
            found.body[member.wire_name] = value
    return found
