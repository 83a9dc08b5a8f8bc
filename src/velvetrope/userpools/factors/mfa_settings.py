"""SetUserPoolMfaConfig and GetUserPoolMfaConfig: which second factors a pool offers, and how passkeys work there.

SetUserPoolMfaConfig offers the factors that it is given: SMS by SmsMfaConfiguration, authenticator apps by
SoftwareTokenMfaConfiguration with Enabled, mail by EmailMfaConfiguration. One that is left out is no longer offered
(UNVERIFIED, but so the clients that send all of them mean it). MfaConfiguration and WebAuthnConfiguration that are left
out stay what they were: neither is weakened by an omission.

Where MFA is required, what comes first must leave something for it to add: no codes, and passkeys only where they stand
for both factors (`check_mfa`).

A relying party id is a domain name, or `localhost`, and no URL; without one the pool's hosted pages are the relying
party (`relying_party_id`).

Source: botocore's cognito-idp model, SetUserPoolMfaConfigRequest, WebAuthnConfigurationType; Cognito Developer Guide,
"Adding MFA to a user pool"; W3C Web Authentication Level 2, section 4, "Relying Party Identifier".
"""

from typing import Literal

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.routes import is_domain_name
from velvetrope.store.tables.userpools import (
    EmailMfaConfig,
    MfaType,
    SmsMfaConfig,
    SoftwareTokenMfaConfig,
    UserPool,
    UserPoolStore,
    WebAuthnConfiguration,
)
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException
from velvetrope.userpools.shapes import shown

__all__ = ["MfaSettingsOperations", "check_mfa", "relying_party_id"]


class MfaSettingsOperations:
    """The pool's side of MFA and passkeys."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def get_user_pool_mfa_config(self, call: Call, *, user_pool_id: str) -> Answer:  # noqa: ARG002
        return _described(await self._directory.pool(user_pool_id))

    @operation
    async def set_user_pool_mfa_config(
        self,
        call: Call,
        *,
        user_pool_id: str,
        sms_mfa_configuration: SmsMfaConfig | None = None,
        software_token_mfa_configuration: SoftwareTokenMfaConfig | None = None,
        email_mfa_configuration: EmailMfaConfig | None = None,
        mfa_configuration: Literal["OFF", "ON", "OPTIONAL"] | None = None,
        web_authn_configuration: WebAuthnConfiguration | None = None,
    ) -> Answer:
        blocks = (sms_mfa_configuration, software_token_mfa_configuration, email_mfa_configuration)
        if mfa_configuration == "OFF" and any(block is not None for block in blocks):
            # Whatever a block says, "not Enabled" included (recorded of AWS on 2026-08-19).
            raise InvalidParameterException(
                "Invalid MFA configuration given, can't turn off MFA and configure an MFA together."
            )
        if web_authn_configuration is not None:
            _check_relying_party(web_authn_configuration.relying_party_id)
        offered: list[MfaType] = []
        if sms_mfa_configuration is not None:
            offered.append("SMS_MFA")
        if software_token_mfa_configuration is not None and software_token_mfa_configuration.enabled:
            offered.append("SOFTWARE_TOKEN_MFA")
        if email_mfa_configuration is not None:
            offered.append("EMAIL_OTP")

        def change(pool: UserPool) -> UserPool:
            sms = sms_mfa_configuration or SmsMfaConfig()
            changed = msgspec.structs.replace(
                pool,
                modified_at=call.now,
                mfa_configuration=mfa_configuration or pool.mfa_configuration,
                mfa_types=tuple(offered),
                software_tokens_said=software_token_mfa_configuration is not None,
                sms_configuration=sms.sms_configuration or pool.sms_configuration,
                sms_authentication_message=sms.sms_authentication_message or pool.sms_authentication_message,
                email_mfa=email_mfa_configuration or pool.email_mfa,
                web_authn=web_authn_configuration or pool.web_authn,
            )
            named = web_authn_configuration or WebAuthnConfiguration()
            if "WEB_AUTHN" in changed.allowed_first_auth_factors and _requires_mfa_beside(changed, named):
                # What a call leaves out is SINGLE_FACTOR to AWS here, whatever the pool had (recorded on 2026-09-23).
                raise InvalidParameterException(
                    "Cannot set WebAuthn factor configuration to SINGLE_FACTOR if MFA is required and WebAuthn is an "
                    "allowed first auth factor"
                )
            check_mfa(changed)
            return changed

        changed = await self._store.change_pool(user_pool_id, change)
        if changed is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return _described(changed)


def check_mfa(pool: UserPool) -> None:
    """A pool that may or must ask for a second factor offers one, and one that must begins with no other.

    Raises:
        InvalidParameterException: it offers none, or MFA is required and a first factor does not go with that. The
            sentences are those that clients quote of AWS.
    """
    if pool.mfa_configuration != "OFF" and not pool.mfa_types:
        raise InvalidParameterException(
            "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration."
        )
    first = set(pool.allowed_first_auth_factors)
    if pool.mfa_configuration == "ON" and first - {"PASSWORD", "WEB_AUTHN"}:
        raise InvalidParameterException(
            "Only PASSWORD and WEB_AUTHN (if configured) can be enabled as an auth factor if MFA is enabled"
        )
    if "WEB_AUTHN" in first and _requires_mfa_beside(pool, pool.web_authn):
        raise InvalidParameterException(
            "WEB_AUTHN cannot be used as an auth factor when MFA is enabled if not configured for MFA."
        )


def _requires_mfa_beside(pool: UserPool, web_authn: WebAuthnConfiguration) -> bool:
    """Whether everybody owes a second factor to a passkey that is configured so."""
    return pool.mfa_configuration == "ON" and web_authn.factor_configuration != "MULTI_FACTOR_WITH_USER_VERIFICATION"


def _check_relying_party(name: str | None) -> None:
    """
    Raises:
        InvalidParameterException: no browser would take it, so that nobody could register a passkey. That AWS refuses
            it here is UNVERIFIED, and so is the sentence.
    """
    if name is not None and name != "localhost" and not is_domain_name(name):
        raise InvalidParameterException(f"The relying party ID {name} is not a domain name.")


def relying_party_id(pool: UserPool) -> str | None:
    """The domain that passkeys of this pool belong to; None where neither one is configured nor there are pages."""
    if pool.web_authn.relying_party_id is not None:
        return pool.web_authn.relying_party_id
    return pool.domain_host


def _described(pool: UserPool) -> dict[str, object]:
    sms: dict[str, object] = {"sms_authentication_message": pool.sms_authentication_message}
    if pool.sms_configuration is not None:
        sms["sms_configuration"] = shown(pool.sms_configuration)
    offers_apps = "SOFTWARE_TOKEN_MFA" in pool.mfa_types
    return {
        "sms_mfa_configuration": sms if "SMS_MFA" in pool.mfa_types else None,
        "software_token_mfa_configuration": {"enabled": offers_apps}
        if offers_apps or pool.software_tokens_said
        else None,
        "email_mfa_configuration": shown(pool.email_mfa) if "EMAIL_OTP" in pool.mfa_types else None,
        "mfa_configuration": pool.mfa_configuration,
        "web_authn_configuration": shown(pool.web_authn) or None,
    }
