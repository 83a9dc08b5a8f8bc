"""The account's settings: which role writes its CloudWatch logs, and what all its APIs together may be called.

The role is kept and shown; logs here need none. The limits are AWS's defaults, which hold where a plan sets only half
of a throttle.

Source: API Gateway API reference, GetAccount, UpdateAccount; API Gateway quotas.
"""

import msgspec

from velvetrope.apigateway.errors import BadRequestException
from velvetrope.apigateway.integration_rules import ROLE_ARN
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, pointer_parts
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import Account
from velvetrope.store.tables.apigateway_domains import DomainNameStore

__all__ = ["AccountOperations"]


class AccountOperations:
    """GetAccount, UpdateAccount."""

    def __init__(self, store: DomainNameStore) -> None:
        self._store = store

    @operation
    async def get_account(self, call: Call) -> Answer:
        return _render(await self._store.load_account(call.account_id))

    @operation
    async def update_account(self, call: Call, *, patch_operations: tuple[PatchOperation, ...] = ()) -> Answer:
        def change(account: Account) -> Account:
            for patch in patch_operations:
                if (patch.op, pointer_parts(patch.path)) != ("replace", ("cloudwatchRoleArn",)):
                    raise invalid_patch(patch, ("/cloudwatchRoleArn",))
                if patch.value and not ROLE_ARN.fullmatch(patch.value):
                    raise BadRequestException("The role ARN does not have required permissions configured")
                account = msgspec.structs.replace(account, cloudwatch_role_arn=patch.value or None)
            return account

        return _render(await self._store.change_account(call.account_id, change))


def _render(account: Account) -> dict[str, object]:
    return {
        "cloudwatch_role_arn": account.cloudwatch_role_arn,
        "throttle_settings": {"burst_limit": 5000, "rate_limit": 10000.0},
        "features": ["UsagePlans"],
        "api_key_version": "4",
    }
