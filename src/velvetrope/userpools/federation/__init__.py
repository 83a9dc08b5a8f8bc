"""Users of other identity providers: the providers themselves, SAML's documents and keys, and whose an answer is."""
