"""SRP-6a as Cognito does it, the server's side: prove that a client knows a password without being sent it.

    verifier = make_verifier(pool_name, user_id, password, salt)          # kept when the password is set
    powers = verifier_powers(verifier)                                    # beside it
    private_values = make_private_values(random_bytes)                    # b and g^b, some at a time
    challenge = make_challenge(verifier, private_values.pop())            # B, sent with the salt
    key = claim_key(challenge, client_public_value, verifier, powers=powers)  # once A is known
    signature = claim_signature(key, pool_name, user_id, secret_block, timestamp)

`groups` holds the prime and the powers, `exchange` the protocol's values, `claims` what Cognito puts around them: the
key derivation, the signature and the timestamp. Random values come in as arguments. Who the user is, whether a
challenge was used before and how old it may be are for the room that keeps users.

Sources: RFC 5054 (arithmetic and its vectors), RFC 3526 (the 3072-bit group), RFC 5869 (HKDF); the deviations are those
of AWS's own clients and are named where they are obeyed.
"""

from velvetrope.srp.claims import InvalidTimestamp, claim_signature, parse_timestamp, render_timestamp
from velvetrope.srp.exchange import (
    PRIVATE_VALUE_BYTES,
    Challenge,
    InvalidPublicValue,
    PrivateValue,
    claim_key,
    decoy_verifier,
    has_all_powers,
    is_verifier,
    make_challenge,
    make_private_values,
    make_salt,
    make_verifier,
    parse_public_value,
    verifier_powers,
)
from velvetrope.srp.groups import read_number

__all__ = [
    "PRIVATE_VALUE_BYTES",
    "Challenge",
    "InvalidPublicValue",
    "InvalidTimestamp",
    "PrivateValue",
    "claim_key",
    "claim_signature",
    "decoy_verifier",
    "has_all_powers",
    "is_verifier",
    "make_challenge",
    "make_private_values",
    "make_salt",
    "make_verifier",
    "parse_public_value",
    "parse_timestamp",
    "read_number",
    "render_timestamp",
    "verifier_powers",
]
