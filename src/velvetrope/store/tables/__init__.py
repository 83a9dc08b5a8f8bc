"""Every table, one file per aggregate. Importing this package declares them all on `store.schema.METADATA`."""

from velvetrope.store.tables import userpools, userpools_sign_in

__all__ = ["userpools", "userpools_sign_in"]
