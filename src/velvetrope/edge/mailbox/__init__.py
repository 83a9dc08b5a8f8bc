"""The mailbox: what user pools sent to people, or would have sent, for the owner of the server alone."""

from velvetrope.edge.mailbox.pages import MailboxPages, MessageReader

__all__ = ["MailboxPages", "MessageReader"]
