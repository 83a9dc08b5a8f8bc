"""Passwords at rest: hashed, sealed, remembered, checked against the pool's rules; and what wrong ones cost."""
