"""What no user, role or account here has: asked for, the answer is that there is none.

Tools ask before they delete: Terraform's AWS provider lists a role's instance profiles, and a user's certificates and
keys for services, and stops when it cannot. Nobody has any here, because nothing makes them; their operations that
would are refused by name. So these say what is true: empty lists, and `NoSuchEntity` for what there is one of at the
most.

Source: IAM API Reference, the operations' errors; texts as seen on AWS.
"""

from velvetrope.iam.entities import caller_user_name, found_or_refused
from velvetrope.iam.errors import NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import EntityKind, IamStore

__all__ = ["AbsentCredentialOperations"]


class AbsentCredentialOperations:
    """Instance profiles, passwords, certificates and keys for services, of which there are none."""

    def __init__(self, store: IamStore) -> None:
        self._store = store

    @operation
    async def list_instance_profiles(
        self,
        call: Call,  # noqa: ARG002
        *,
        path_prefix: str = "/",  # noqa: ARG002  none below any path
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """None."""
        return _no("instance_profiles", marker, max_items)

    @operation
    async def list_instance_profiles_for_role(
        self, call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """None, of a role that exists."""
        await self._check_exists(call, "role", role_name)
        return _no("instance_profiles", marker, max_items)

    @operation
    async def list_server_certificates(
        self,
        call: Call,  # noqa: ARG002
        *,
        path_prefix: str = "/",  # noqa: ARG002  none below any path
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """None."""
        return _no("server_certificate_metadata_list", marker, max_items)

    @operation
    async def list_ssh_public_keys(
        self, call: Call, *, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """None, of a user who exists."""
        await self._check_exists(call, "user", caller_user_name(call, user_name))
        return _no("ssh_public_keys", marker, max_items)

    @operation
    async def list_signing_certificates(
        self, call: Call, *, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """None, of a user who exists."""
        await self._check_exists(call, "user", caller_user_name(call, user_name))
        return _no("certificates", marker, max_items)

    @operation
    async def list_service_specific_credentials(
        self,
        call: Call,
        *,
        user_name: str | None = None,
        service_name: str | None = None,  # noqa: ARG002  none for any service
    ) -> Answer:
        """None, of a user who exists."""
        await self._check_exists(call, "user", caller_user_name(call, user_name))
        return {"service_specific_credentials": []}

    @operation
    async def get_login_profile(self, call: Call, *, user_name: str | None = None) -> Answer:
        """No user has a password for AWS's console."""
        raise await self._no_login_profile(call, caller_user_name(call, user_name))

    @operation
    async def delete_login_profile(self, call: Call, *, user_name: str | None = None) -> Answer:
        """No user has a password for AWS's console."""
        raise await self._no_login_profile(call, caller_user_name(call, user_name))

    @operation
    async def get_account_password_policy(self, call: Call) -> Answer:
        """There is no policy for passwords that nobody has."""
        raise NoSuchEntity(f"The Password Policy with domain name {call.account_id} cannot be found.")

    async def _check_exists(self, call: Call, kind: EntityKind, name: str) -> None:
        await found_or_refused(self._store, kind, call.account_id, name)

    async def _no_login_profile(self, call: Call, user_name: str) -> NoSuchEntity:
        await self._check_exists(call, "user", user_name)
        return NoSuchEntity(f"Login Profile for User {user_name} cannot be found.")


def _no(name: str, marker: str | None, max_items: int | None) -> Answer:
    none: list[str] = []
    return page_of(none, str, marker=marker, max_items=max_items).answer(name, none)
