"""What people prove themselves with: passwords, SRP proofs, sent codes, authenticator apps, passkeys, devices.

Each file checks one kind of proof, or keeps what it is checked against. What follows a proof is `sign_in.next_step`'s.
"""
