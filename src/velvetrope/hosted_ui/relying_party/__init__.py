"""The pool as a relying party: what it asks of OpenID Connect and OAuth 2.0 providers, and what it believes of them.

    connection = await Connections(directory, outside).connect(provider, now=now)
    uri = authorization_uri(connection, request, departure, return_uri=uri)
    grant = await redeem(outside, connection, code, …)                 # the token endpoint
    claims = await verify_id_token(outside, connection, grant, …)      # issuer, audience, key, nonce, time
    claims = await load_profile(outside, connection, grant, claims)    # what the ID token did not say

`connections` knows what tells one type of provider from another; the rest is the protocol. What is remembered between
the way out and the way back is `federated_sign_ins`' matter; the order of all of it is `provider_sign_in`'s.
"""

from velvetrope.hosted_ui.relying_party.authorization import authorization_uri
from velvetrope.hosted_ui.relying_party.connections import Connection, Connections
from velvetrope.hosted_ui.relying_party.grants import ProviderGrant, redeem
from velvetrope.hosted_ui.relying_party.id_tokens import verify_id_token
from velvetrope.hosted_ui.relying_party.outside import Outside
from velvetrope.hosted_ui.relying_party.profiles import load_profile
from velvetrope.hosted_ui.relying_party.refusals import ProviderRefused
from velvetrope.hosted_ui.relying_party.social import SOCIAL_ENDPOINTS, SocialEndpoints

__all__ = [
    "SOCIAL_ENDPOINTS",
    "Connection",
    "Connections",
    "Outside",
    "ProviderGrant",
    "ProviderRefused",
    "SocialEndpoints",
    "authorization_uri",
    "load_profile",
    "redeem",
    "verify_id_token",
]
