"""What the pool's own function makes of a provider's word, before any of it is mapped.

The trigger `InboundFederation` is told everything that the provider said, by where it said it, and answers the
attributes that are to count, by the provider's names. What it leaves out is dropped; an empty answer changes nothing.
Who the person is at the provider is not its to say: a function that could answer another subject would sign people in
as each other.

    tokenResponse   the token endpoint's answer     OIDC and social
    idToken         the verified claims             OIDC and social
    userInfo        the profile                     OIDC and social
    samlResponse    the assertion's attributes      SAML

Source: Cognito Developer Guide, "Inbound federation Lambda trigger"; the event's shape as published for TypeScript
(`@types/aws-lambda`, InboundFederationTriggerEvent).
"""

from collections.abc import Mapping

import msgspec

from velvetrope.store.tables.userpools_configuration import IdentityProvider
from velvetrope.userpools.triggers.invocations import Occasion, Triggers

__all__ = ["InboundFederation"]


class _Mapped(msgspec.Struct, frozen=True, rename="camel"):
    """The response of the function."""

    user_attributes_to_map: dict[str, str] = {}


class InboundFederation:
    """Asks the function."""

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers

    async def attributes(
        self,
        occasion: Occasion,
        provider: IdentityProvider,
        said: Mapping[str, Mapping[str, str]],
        attributes: Mapping[str, str],
    ) -> Mapping[str, str]:
        """`attributes`, or what the function has made of them.

        Raises:
            UserLambdaValidationException and its siblings: the sign-in is refused.
        """
        request = {
            "providerName": provider.provider_name,
            "providerType": provider.provider_type,
            "attributes": {place: dict(there) for place, there in said.items()},
        }
        answered = await self._triggers.ask(
            "InboundFederation",
            "InboundFederation_ExternalProvider",
            occasion,
            request,
            {"userAttributesToMap": {}},
            _Mapped,
        )
        return (
            attributes if answered is None or not answered.user_attributes_to_map else answered.user_attributes_to_map
        )
