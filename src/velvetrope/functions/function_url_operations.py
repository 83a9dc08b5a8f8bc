"""CreateFunctionUrlConfig, GetFunctionUrlConfig, UpdateFunctionUrlConfig, DeleteFunctionUrlConfig and
ListFunctionUrlConfigs: the addresses under which functions are called over plain HTTP.

An address alone lets nobody in: the function's resource policy, or the caller's own, must allow it (see
`function_urls`). The address that is answered is one on this server, `…/_url/{id}/`, because AWS's names lead to AWS;
requests for the host `{id}.lambda-url.{region}.on.aws` are served too. Responses are buffered: `RESPONSE_STREAM` is
refused by name.

Source: AWS Lambda API Reference; Lambda Developer Guide, "Creating and managing Lambda function URLs".
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.paging import page_size, parse_marker
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.function_urls import CorsSettings, FunctionUrl, FunctionUrlStore, UrlAuthType
from velvetrope.store.tables.functions import LATEST, FunctionStore

__all__ = ["URL_PREFIX", "FunctionUrlOperations"]

URL_PREFIX = "/_url/"
"""The first segment of an address on this server; the id follows."""

_ID_LENGTH = 32
_FIRST_PAGE = "-"
"""Marks the function's own address as the last of a page: its qualifier is empty, and no alias is called that."""

_METHODS = frozenset({"*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""OPTIONS is answered by the address itself and cannot be listed; the model takes six characters at the most."""


@dataclass(frozen=True, slots=True)
class FunctionUrlOperations:
    """The addresses of functions."""

    functions: FunctionStore
    urls: FunctionUrlStore
    entropy: Entropy
    endpoint_url: str

    @operation
    async def create_function_url_config(
        self,
        call: Call,
        *,
        function_name: str,
        auth_type: UrlAuthType,
        qualifier: str | None = None,
        cors: CorsSettings | None = None,
        invoke_mode: Literal["BUFFERED"] = "BUFFERED",
    ) -> Answer:
        reference = await self._existing(function_name, qualifier, call)
        _check_cors(cors)
        url = FunctionUrl(
            url_id=new_alphanumeric(self.entropy, _ID_LENGTH),
            function_arn=reference.arn,
            qualifier=reference.qualifier,
            auth_type=auth_type,
            created_at=call.now,
            modified_at=call.now,
            cors=cors,
        )
        if not await self.urls.create_url(url):
            raise ResourceConflictException(
                f"Failed to create function url config for [functionArn = {reference.qualified_arn}]. Error message:  "
                "FunctionUrlConfig exists for this Lambda function"
            )
        created = self._render(url, invoke_mode)
        del created["last_modified_time"]
        return created

    @operation
    async def get_function_url_config(self, call: Call, *, function_name: str, qualifier: str | None = None) -> Answer:
        reference = _reference(function_name, qualifier, call)
        url = await self.urls.load_url_of(reference.arn, reference.qualifier)
        if url is None:
            raise _no_url()
        return self._render(url)

    @operation
    async def update_function_url_config(
        self,
        call: Call,
        *,
        function_name: str,
        qualifier: str | None = None,
        auth_type: UrlAuthType | None = None,
        cors: CorsSettings | None = None,
        invoke_mode: Literal["BUFFERED"] = "BUFFERED",
    ) -> Answer:
        """Members that are left out stay; `Cors` is replaced as a whole, and an empty one takes it away."""
        reference = _reference(function_name, qualifier, call)
        _check_cors(cors)

        def change(present: FunctionUrl) -> FunctionUrl:
            kept = present.cors if cors is None else None if cors == CorsSettings() else cors
            return msgspec.structs.replace(
                present, auth_type=auth_type or present.auth_type, cors=kept, modified_at=call.now
            )

        changed = await self.urls.change_url(reference.arn, reference.qualifier, change)
        if changed is None:
            raise _no_url()
        return self._render(changed, invoke_mode)

    @operation
    async def delete_function_url_config(
        self, call: Call, *, function_name: str, qualifier: str | None = None
    ) -> Answer:
        reference = _reference(function_name, qualifier, call)
        if not await self.urls.delete_url(reference.arn, reference.qualifier):
            raise _no_url()
        return None

    @operation
    async def list_function_url_configs(
        self, call: Call, *, function_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        reference = await self._existing(function_name, None, call)
        size = page_size(max_items)
        last = parse_marker(marker)
        after = None if not last else "" if last == _FIRST_PAGE else last
        found = await self.urls.load_urls_of(reference.arn, after_qualifier=after, limit=size + 1)
        page, following = page_of(found, size, key=lambda url: url.qualifier or _FIRST_PAGE)
        return {"function_url_configs": [self._render(url) for url in page], "next_marker": following}

    async def _existing(self, function_name: str, qualifier: str | None, call: Call) -> FunctionReference:
        reference = _reference(function_name, qualifier, call)
        if await self.functions.load_target(reference.arn, reference.qualifier) is None:
            raise ResourceNotFoundException(f"Function not found: {reference.qualified_arn}")
        return reference

    def _render(self, url: FunctionUrl, invoke_mode: str = "BUFFERED") -> dict[str, object]:
        return {
            "function_url": f"{self.endpoint_url}{URL_PREFIX}{url.url_id}/",
            "function_arn": url.target_arn,
            "auth_type": url.auth_type,
            "cors": url.cors,
            "creation_time": _render_time(url.created_at.isoformat(timespec="microseconds")),
            "last_modified_time": _render_time(url.modified_at.isoformat(timespec="microseconds")),
            "invoke_mode": invoke_mode,
        }


def _reference(function_name: str, qualifier: str | None, call: Call) -> FunctionReference:
    reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
    if reference.qualifier == LATEST or reference.qualifier.isdecimal():
        # UNVERIFIED: AWS's exact words; the model's pattern for the qualifier says the same of the member.
        raise InvalidParameterValueException("Function URLs are for functions and their aliases, not for versions.")
    return reference


def _check_cors(cors: CorsSettings | None) -> None:
    for method in (cors.allow_methods if cors else None) or ():
        if method not in _METHODS:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException(
                f"The CORS method {method} is not valid: GET, PUT, HEAD, POST, PATCH, DELETE and * are."
            )


def _no_url() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")


def _render_time(iso: str) -> str:
    """As Lambda writes it here: `2026-01-01T00:00:00.000000Z`."""
    return iso.replace("+00:00", "Z")
