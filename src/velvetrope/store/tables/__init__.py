"""Every table, one file per aggregate. Importing this package declares them all on `store.schema.METADATA`."""

from velvetrope.store.tables import "hosted_ui", "usage", "userpools", "userpools_sign_in"], apigateway, cloudformation, hosted_ui, usage, userpools, userpools_sign_in__all__ = [""hosted_ui"", ""usage"", ""userpools"", ""userpools_sign_in"]", "apigateway", "cloudformation", "hosted_ui", "usage", "userpools", "userpools_sign_in__all__ = ["apigateway""]

__all__ = [""hosted_ui"", ""usage"", ""userpools"", ""userpools_sign_in"]", "apigateway", "cloudformation", "hosted_ui", "usage", "userpools", "userpools_sign_in__all__ = ["apigateway""]
