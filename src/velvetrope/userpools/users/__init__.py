"""What a user is: attributes and the pool's schema of them, names and aliases, identities at providers, and whether
their state lets them in.
"""
