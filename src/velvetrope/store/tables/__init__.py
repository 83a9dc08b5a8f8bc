"""Every table, one file per aggregate. Importing this package declares them all on `store.schema.METADATA`."""
