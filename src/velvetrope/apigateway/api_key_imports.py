"""ImportApiKeys: API keys and the plans they are in, from a CSV file.

    name,key,description,enabled,usageplanIds
    mobile,0123456789abcdef0123456789abcdef,the app,TRUE,"plan1,plan2"

The first line names the columns, in any order and case; `key` is needed. Values are 30 to 128 characters. The file is
read whole before anything is kept: a column or a plan that is not known refuses all of it. A value that a key has
already is warned of and passed over, or with `failOnWarnings` refuses all of it.

Source: API Gateway Developer Guide, "API Gateway API key file format"; API reference, ImportApiKeys. Texts are
UNVERIFIED.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass

from velvetrope.apigateway.api_keys import check_value, new_api_key, no_such_key
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.key_values import hashes_of_value
from velvetrope.apigateway.usage_plan_keys import check_subscription
from velvetrope.apigateway.usage_plans import no_such_plan
from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.apigateway import ApiGatewayStore, ApiKey, UsagePlan

__all__ = ["ApiKeyImportOperations"]

_COLUMNS = {"name", "key", "description", "enabled", "usageplanids"}
_MIN_VALUE = 30


@dataclass(frozen=True)
class _Row:
    name: str | None
    value: str
    description: str | None
    enabled: bool
    usage_plan_ids: tuple[str, ...]


class ApiKeyImportOperations:
    """ImportApiKeys."""

    def __init__(self, store: ApiGatewayStore, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy

    @operation
    async def import_api_keys(
        self,
        call: Call,
        *,
        body: bytes,
        format: str,  # noqa: A002  the member's own name
        fail_on_warnings: bool = False,
    ) -> Answer:
        if format != "csv":
            raise NotSupported(f"The format {format} of API keys")
        rows = _rows(body)
        plans = {plan.id: plan for plan in await self._store.load_usage_plans(call.account_id)}
        for row in rows:
            named = [plans[plan_id] for plan_id in row.usage_plan_ids if plan_id in plans]
            if len(named) != len(row.usage_plan_ids):
                raise no_such_plan()
            for index, plan in enumerate(named):
                check_subscription(plan, named[:index])
        present = {key.value_hash for key in await self._store.load_api_keys(call.account_id)}
        warnings = [_exists(row) for row in rows if not present.isdisjoint(self._hashes(row))]
        if warnings and fail_on_warnings:
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(warnings))
        ids: list[str] = []
        for row in rows:
            api_key = new_api_key(
                call,
                row.value,
                self._master_keys,
                self._entropy,
                name=row.name,
                description=row.description,
                enabled=row.enabled,
            )
            if not await self._store.save_new_api_key(api_key, self._hashes(row)):
                if _exists(row) not in warnings:
                    warnings.append(_exists(row))
                continue
            ids.append(api_key.id)
            for plan_id in row.usage_plan_ids:
                await self._store.save_new_usage_plan_key(call.account_id, plan_id, api_key.id, _check)
        return {"ids": ids, "warnings": warnings or None}

    def _hashes(self, row: _Row) -> list[str]:
        return hashes_of_value(self._master_keys, row.value)


def _check(plan: UsagePlan | None, key: ApiKey | None, present: Collection[UsagePlan]) -> None:
    if plan is None:
        raise no_such_plan()
    if key is None:
        raise no_such_key()
    check_subscription(plan, present)


def _exists(row: _Row) -> str:
    return f"The value of the API key {row.name or '(no name)'} exists already: ignored"


def _rows(body: bytes) -> list[_Row]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise BadRequestException("Invalid API key file: it is not CSV in UTF-8") from None
    columns = [column.strip().lower() for column in lines[0]] if lines else []
    unknown = next((column for column in columns if column not in _COLUMNS), None)
    if unknown is not None:
        raise NotSupported(f"The column {unknown} of an API key file")
    if "key" not in columns or len(set(columns)) != len(columns):
        raise BadRequestException("Invalid API key file: its first line names each column once, key among them")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) != len(columns):
            raise BadRequestException(f"Invalid API key file: line {number} has {len(line)} columns")
        rows.append(_row(number, dict(zip(columns, (cell.strip() for cell in line), strict=True))))
    return rows


def _row(number: int, cells: dict[str, str]) -> _Row:
    value, enabled = cells["key"], cells.get("enabled", "").lower()
    if len(value) < _MIN_VALUE:
        raise BadRequestException(f"Invalid API key file: line {number}: a key has at least {_MIN_VALUE} characters")
    check_value(value)
    if enabled not in {"", "true", "false"}:
        raise BadRequestException(f"Invalid API key file: line {number}: enabled is TRUE or FALSE")
    return _Row(
        name=cells.get("name") or None,
        value=value,
        description=cells.get("description") or None,
        enabled=enabled == "true",
        usage_plan_ids=tuple(one.strip() for one in cells.get("usageplanids", "").split(",") if one.strip()),
    )
