"""The life of an account: signing up, recovery, attributes, groups, and what users and administrators do with them."""
