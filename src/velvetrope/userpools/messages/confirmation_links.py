"""Links that confirm a sign-up: the code, and whom it is for, in an address of the pool's pages.

A template says where the link goes by `{##the words to click##}`. The words are the pool owner's and may be HTML, as
all of the template may; the address is ours.

Source: Cognito Developer Guide, "Customizing email verification messages"; cognito-idp model, EmailMessageByLink.
"""

import re
from html import escape
from typing import Final
from urllib.parse import urlencode

from velvetrope.store.tables.userpools import UserPool
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["LINK", "LINK_PARAMETER", "ConfirmationLinks", "link_words"]

LINK: Final = re.compile(r"\{##(.*?)##\}", re.DOTALL)
LINK_PARAMETER: Final = "{##Click Here##}"
_TEXT: Final = "Please click the link below to verify your email address. {##Verify Email##}"
_SUBJECT: Final = "Your verification link"


class ConfirmationLinks:
    """Writes links."""

    def __init__(self, pages_url: str | None) -> None:
        """`pages_url` is where people reach the hosted pages (`https://localhost:4800`); None where there are none."""
        self._pages_url = pages_url

    def filled(self, text: str, pool: UserPool, client_id: str, username: str, code: str) -> str:
        """`text` with every `{##…##}` a link that shows `code`.

        Raises:
            InvalidParameterException: the pool has no domain. It would be a message that leads nowhere, so nobody gets
                it. What AWS says is UNVERIFIED.
        """
        if pool.domain is None or self._pages_url is None:
            raise InvalidParameterException(
                f"There has to be an existing domain associated with user pool {pool.id} to confirm by link."
            )
        query = urlencode({"client_id": client_id, "user_name": username, "confirmation_code": code})
        pages = f"https://{pool.domain}" if pool.has_custom_domain else f"{self._pages_url}/{pool.domain}"
        address = f"{pages}/confirmUser/?{query}"
        return LINK.sub(lambda link: f'<a href="{escape(address)}">{link[1]}</a>', text)


def link_words(pool: UserPool, *, subject: str | None, message: str | None) -> tuple[str, str]:
    """Subject and text of a message with a link: a function's words, the pool's template, or AWS's defaults."""
    template = pool.verification_message_template
    return subject or template.email_subject_by_link or _SUBJECT, message or template.email_message_by_link or _TEXT
