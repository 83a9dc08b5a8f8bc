"""What this room finds wrong with a policy document.

    ReasonError
    └── MalformedPolicy      the document was refused; the message is AWS's text, `detail` says where and why

The wire code is the service's: IAM and STS call it MalformedPolicyDocument, API Gateway BadRequestException.
"""

from velvetrope.errors import ReasonError

__all__ = ["MalformedPolicy"]


class MalformedPolicy(ReasonError):
    """A policy document that we refuse to keep. `detail` is for the document's author: which statement, which rule."""
