"""What a sign-in yields: keys, claims, tokens, their families (sessions), and the scopes that they can carry."""
