"""A user's own MFA: setting an authenticator app up, and which factors are switched on.

AssociateSoftwareToken hands out a secret, VerifySoftwareToken keeps it once a code shows that an app has it. Both work
with an access token, and in the middle of a sign-in with the session of MFA_SETUP (`authenticator_setups`).

What a preference names must be answerable: a verified app, a phone number, a verified mail address, a passkey
(`passkey_mfa`). A factor that is left out of a call stays what it was. SetUserSettings is the old way to do that for
SMS alone.

Source: Cognito user pools API, AssociateSoftwareToken, VerifySoftwareToken, SetUserMFAPreference,
AdminSetUserMFAPreference, AdminDeleteSoftwareToken, SetUserSettings; user-pools reference sections 6 and 7 for the
sentences.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import MfaType, StoredUser, User, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_factors import FactorStore, SoftwareToken
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException, user_missing
from velvetrope.userpools.factors.authenticator_setups import AuthenticatorSetter, AuthenticatorSetups
from velvetrope.userpools.factors.mfa_preferences import with_mfa_enabled
from velvetrope.userpools.factors.passkey_mfa import (
    PASSKEY_MFA,
    WebAuthnMfaSettings,
    check_not_alone,
    check_passkey_mfa,
)
from velvetrope.userpools.factors.second_factors import has_address_for
from velvetrope.userpools.tokens.signed_in import AccessTokens

__all__ = ["MfaOperations", "MfaOption", "MfaSettings", "shown_mfa"]


class MfaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SMSMfaSettings and its siblings."""

    enabled: bool = False
    preferred_mfa: bool = False


class MfaOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How SMS was switched on before there were other factors."""

    delivery_medium: Literal["SMS", "EMAIL"] | None = None
    attribute_name: str | None = None


class MfaOperations:
    """Second factors of one user."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        factors: FactorStore,
        directory: PoolDirectory,
        tokens: AccessTokens,
        setups: AuthenticatorSetups,
    ) -> None:
        self._store = store
        self._factors = factors
        self._directory = directory
        self._tokens = tokens
        self._setups = setups

    @operation
    async def associate_software_token(
        self, call: Call, *, access_token: Secret[str] | None = None, session: str | None = None
    ) -> Answer:
        setter = await self._setter(call, access_token, session)
        secret_code, going_on = await self._setups.associate(setter)
        return {"secret_code": secret_code} if going_on is None else {"secret_code": secret_code, "session": going_on}

    @operation
    async def verify_software_token(
        self,
        call: Call,
        *,
        user_code: str,
        access_token: Secret[str] | None = None,
        session: str | None = None,
        friendly_device_name: str | None = None,
    ) -> Answer:
        setter = await self._setter(call, access_token, session)
        going_on = await self._setups.verify(setter, user_code, friendly_name=friendly_device_name, now=call.now)
        return {"status": "SUCCESS"} if going_on is None else {"status": "SUCCESS", "session": going_on}

    @operation
    async def set_user_mfa_preference(
        self,
        call: Call,
        *,
        access_token: Secret[str],
        sms_mfa_settings: MfaSettings | None = None,
        software_token_mfa_settings: MfaSettings | None = None,
        email_mfa_settings: MfaSettings | None = None,
        web_authn_mfa_settings: WebAuthnMfaSettings | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        given = _given(sms_mfa_settings, software_token_mfa_settings, email_mfa_settings)
        await self._prefer(signed_in.pool, signed_in.stored, given, web_authn_mfa_settings)
        return {}

    @operation
    async def admin_set_user_mfa_preference(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        username: str,
        sms_mfa_settings: MfaSettings | None = None,
        software_token_mfa_settings: MfaSettings | None = None,
        email_mfa_settings: MfaSettings | None = None,
        web_authn_mfa_settings: WebAuthnMfaSettings | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        stored = await self._directory.user(pool, username)
        given = _given(sms_mfa_settings, software_token_mfa_settings, email_mfa_settings)
        await self._prefer(pool, stored, given, web_authn_mfa_settings)
        return {}

    @operation
    async def set_user_settings(
        self, call: Call, *, access_token: Secret[str], mfa_options: tuple[MfaOption, ...]
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        await self._prefer(signed_in.pool, signed_in.stored, _sms_alone(mfa_options))
        return {}

    @operation
    async def admin_set_user_settings(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        username: str,
        mfa_options: tuple[MfaOption, ...],
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        await self._prefer(pool, await self._directory.user(pool, username), _sms_alone(mfa_options))
        return {}

    @operation
    async def admin_delete_software_token(self, call: Call, *, user_pool_id: str, username: str) -> Answer:
        """The user can set another app up. Where MFA is required, the next sign-in asks for that."""
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)

        def without(user: User) -> User:
            changed = with_mfa_enabled(user, "SOFTWARE_TOKEN_MFA", on=False)
            preferred = None if user.mfa_preferred == "SOFTWARE_TOKEN_MFA" else user.mfa_preferred
            return msgspec.structs.replace(changed, mfa_preferred=preferred, modified_at=call.now)

        # First the factor, so that nobody is asked for a code of an app that is gone.
        if await self._store.change_user(found, without) is None:
            raise user_missing()
        if not await self._factors.delete_software_token(pool.id, found.username_key):
            raise ResourceNotFoundException("The user has no software token.")  # text UNVERIFIED
        return {}

    async def _setter(
        self, call: Call, access_token: Secret[str] | None, session_text: str | None
    ) -> AuthenticatorSetter:
        if access_token is None:
            return await self._setups.setter_of_session(session_text, now=call.now)
        signed_in = await self._tokens.signed_in(call, access_token)
        _check_not_federated(signed_in.stored.user)
        return AuthenticatorSetter(signed_in.pool, signed_in.stored)

    async def _prefer(
        self,
        pool: UserPool,
        stored: StoredUser,
        given: dict[MfaType, MfaSettings],
        passkey: WebAuthnMfaSettings | None = None,
    ) -> None:
        """
        Raises:
            InvalidParameterException: two are preferred, one is preferred and not enabled, or cannot be answered;
                passkey MFA cannot be switched on, or would be left alone; or the user is a federated one.
        """
        _check_not_federated(stored.user)
        token = await self._factors.load_software_token(pool.id, stored.username_key)
        preferred = [mfa for mfa, settings in given.items() if settings.preferred_mfa]
        if len(preferred) > 1:
            raise InvalidParameterException("Only one MFA method can be preferred.")  # text UNVERIFIED
        for mfa, settings in given.items():
            if settings.preferred_mfa and not settings.enabled:
                raise InvalidParameterException(f"{mfa} cannot be preferred without being enabled.")  # text UNVERIFIED
            if settings.enabled:
                _check_answerable(pool, stored.user, mfa, token)
        if passkey is not None and passkey.enabled:
            known = await self._factors.load_passkeys(pool.id, stored.username_key)
            check_passkey_mfa(pool, known, names_another=any(settings.enabled for settings in given.values()))

        def change(user: User) -> User:
            passkey_mfa = user.passkey_mfa if passkey is None else passkey.enabled
            for mfa, settings in given.items():
                user = with_mfa_enabled(user, mfa, on=settings.enabled)
            user = msgspec.structs.replace(user, passkey_mfa=passkey_mfa)
            check_not_alone(user)
            favourite = preferred[0] if preferred else user.mfa_preferred
            if favourite in given and favourite not in preferred:
                favourite = None  # it was named, and not as preferred
            return msgspec.structs.replace(user, mfa_preferred=favourite if favourite in user.mfa_enabled else None)

        await self._change(stored, change)

    async def _change(self, stored: StoredUser, change: Callable[[User], User]) -> None:
        if await self._store.change_user(stored, change) is None:
            raise user_missing()


def _check_not_federated(user: User) -> None:
    """Second factors are asked after a password, which somebody who signs in with a provider has not.

    Raises:
        InvalidParameterException: text UNVERIFIED; that they cannot have MFA is the Developer Guide's ("Adding MFA").
    """
    if user.status == "EXTERNAL_PROVIDER":
        raise InvalidParameterException("MFA cannot be set for a user of an external identity provider.")


def shown_mfa(user: User) -> dict[str, object]:
    """PreferredMfaSetting and UserMFASettingList; left out where there is nothing to show, as on AWS."""
    enabled = (*user.mfa_enabled, PASSKEY_MFA) if user.passkey_mfa else user.mfa_enabled
    return {"preferred_mfa_setting": user.mfa_preferred, "user_mfa_setting_list": enabled or None}


def _given(
    sms: MfaSettings | None, software_token: MfaSettings | None, email: MfaSettings | None
) -> dict[MfaType, MfaSettings]:
    named: dict[MfaType, MfaSettings | None] = {
        "SMS_MFA": sms,
        "SOFTWARE_TOKEN_MFA": software_token,
        "EMAIL_OTP": email,
    }
    return {mfa: settings for mfa, settings in named.items() if settings is not None}


def _sms_alone(options: tuple[MfaOption, ...]) -> dict[MfaType, MfaSettings]:
    """SetUserSettings knows SMS to the phone number, on or off, and nothing else (model, SetUserSettingsRequest).

    Raises:
        InvalidParameterException: another medium or attribute. Text UNVERIFIED.
    """
    for option in options:
        if option.delivery_medium != "SMS" or option.attribute_name != "phone_number":
            raise InvalidParameterException("MFAOptions takes the delivery medium SMS and the attribute phone_number.")
    return {"SMS_MFA": MfaSettings(enabled=bool(options))}


def _check_answerable(pool: UserPool, user: User, mfa: MfaType, token: SoftwareToken | None) -> None:
    if mfa == "SOFTWARE_TOKEN_MFA":
        if token is None or token.secret_sealed is None:
            raise InvalidParameterException("User has not verified software token mfa")
    elif not has_address_for(user, mfa):
        raise InvalidParameterException(f"User does not have delivery config set to turn on {mfa}")
    if mfa not in pool.mfa_types:
        raise InvalidParameterException(f"{mfa} is not enabled for the user pool.")  # text UNVERIFIED
