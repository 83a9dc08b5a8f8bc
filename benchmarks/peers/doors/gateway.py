"""Doors of a deployed API: signatures, API keys and their plans, tokens, and the function behind a route.

`Gateway` says what is there to be called; each peer that has a gateway makes it in the peer's own way.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.peers.doors.door import Answer, Door, HasNone, answer_of
from benchmarks.peers.forgeries import by_another_key, unsigned
from velvetrope.server.machine import SystemClock

__all__ = ["DOORS", "Gateway", "signed_headers"]


class Gateway:
    """A REST API with a route for each way in. What a peer leaves as it is here, it does not have."""

    region = "us-east-1"

    def url(self, route: str) -> str:
        """Address of `/signed` (GET and POST, AWS_IAM), `/keyed` (API key), `/pool` (user pool's token)."""
        raise HasNone("no route of that kind")

    def caller(self) -> Credentials:
        """Somebody who may call `/signed`."""
        raise HasNone("no AWS_IAM routes")

    def stranger(self) -> Credentials:
        """Somebody with an access key and no policy."""
        raise HasNone("no policies")

    def key(self, **limits: Any) -> str:
        """An API key of a usage plan with these limits, in API Gateway's words."""
        raise HasNone("no usage plans")

    def disabled_key(self) -> str:
        raise HasNone("API keys cannot be disabled")

    def token(self) -> str:
        """What `/pool` takes: the ID token of its user pool."""
        raise HasNone("no user pool authorizers")

    def expired_token(self) -> str:
        """One that `/pool` took once."""
        raise HasNone("no user pool authorizers")

    def another_pools_token(self) -> str:
        raise HasNone("no user pool authorizers")

    def function_url(self, *, permitted: bool) -> str:
        """A route to a function whose resource policy lets API Gateway in, or does not."""
        raise HasNone("no functions whose resource policy could say no")

    def calling_function_url(self, *, allowed: bool) -> str:
        """A route to a function that calls ListUsers as its role, and answers what it heard."""
        raise HasNone("no functions with a role")

    # Signatures

    def _signed(self, **changes: Any) -> Answer:
        by = changes.pop("by", None) or self.caller()
        return answer_of(signed(self.url("/signed"), by, self.region, **changes))

    def signature(self) -> Answer:
        return self._signed()

    def signed_body(self) -> Answer:
        return self._signed(method="POST", body="{}")

    def no_signature(self) -> Answer:
        return answer_of(requests.get(self.url("/signed"), timeout=60))

    def altered_signature(self) -> Answer:
        return self._signed(altered=lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"))

    def signature_of_another_query(self) -> Answer:
        return self._signed(sent_to=self.url("/signed") + "?admin=true")

    def signature_of_another_body(self) -> Answer:
        return self._signed(method="POST", body="{}", sent_body='{"amount": 1000000}')

    def stale_signature(self) -> Answer:
        return self._signed(age=timedelta(minutes=20))

    def signature_for_another_service(self) -> Answer:
        return self._signed(service="s3")

    def unknown_key(self) -> Answer:
        return self._signed(by=Credentials("AKIAZZZZZZZZZZZZZZZZ", "a-secret-that-nobody-was-ever-given-here"))

    def without_permission(self) -> Answer:
        return self._signed(by=self.stranger())

    # API keys

    def _keyed(self, key: str | None) -> Answer:
        headers = {"x-api-key": key} if key else {}
        return answer_of(requests.get(self.url("/keyed"), headers=headers, timeout=60))

    def right_key(self) -> Answer:
        return self._keyed(self.key())

    def no_key(self) -> Answer:
        return self._keyed(None)

    def wrong_key(self) -> Answer:
        return self._keyed("a-key-that-nobody-was-ever-given-here")

    def key_that_is_disabled(self) -> Answer:
        return self._keyed(self.disabled_key())

    def _fifth(self, **limits: Any) -> Answer:
        key = self.key(**limits)
        answers = [self._keyed(key) for _ in range(5)]
        return answers[-1]

    def over_rate(self) -> Answer:
        return self._fifth(throttle={"rateLimit": 0.001, "burstLimit": 3})

    def over_quota(self) -> Answer:
        return self._fifth(quota={"limit": 3, "period": "MONTH"})

    # A user pool's tokens

    def _with_token(self, token: str | None) -> Answer:
        headers = {"Authorization": token} if token else {}
        return answer_of(requests.get(self.url("/pool"), headers=headers, timeout=60))

    def right_token(self) -> Answer:
        return self._with_token(self.token())

    def no_token(self) -> Answer:
        return self._with_token(None)

    def unsigned_token(self) -> Answer:
        return self._with_token(unsigned(self.token()))

    def foreign_token(self) -> Answer:
        return self._with_token(by_another_key(self.token()))

    def token_that_expired(self) -> Answer:
        return self._with_token(self.expired_token())

    def token_of_another_pool(self) -> Answer:
        return self._with_token(self.another_pools_token())

    # Functions

    def _function(self, *, permitted: bool) -> Answer:
        return answer_of(requests.get(self.function_url(permitted=permitted), timeout=60))

    def permitted_function(self) -> Answer:
        return self._function(permitted=True)

    def function_without_permission(self) -> Answer:
        return self._function(permitted=False)

    def function_with_a_role(self) -> Answer:
        return answer_of(requests.get(self.calling_function_url(allowed=True), timeout=60))

    def function_beyond_its_role(self) -> Answer:
        return answer_of(requests.get(self.calling_function_url(allowed=False), timeout=60))


def signed(
    url: str,
    by: Credentials,
    region: str,
    *,
    method: str = "GET",
    body: str = "",
    service: str = "execute-api",
    age: timedelta = timedelta(),
    altered: Callable[[str], str] = lambda value: value,
    sent_to: str | None = None,
    sent_body: str | None = None,
) -> requests.Response:
    """A call that botocore signed `age` ago; the rest is what is changed behind its back."""
    headers = signed_headers(url, by, region, method=method, body=body, service=service, age=age)
    headers["Authorization"] = altered(headers["Authorization"])
    data = body if sent_body is None else sent_body
    return requests.request(method, sent_to or url, headers=headers, data=data.encode(), timeout=60)


def signed_headers(
    url: str,
    by: Credentials,
    region: str,
    *,
    method: str = "GET",
    body: str = "",
    service: str = "execute-api",
    age: timedelta = timedelta(),
    content_type: str = "application/json",
) -> dict[str, str]:
    """What botocore puts into the headers of this request, `age` ago."""
    request = AWSRequest(method=method, url=url, data=body.encode(), headers={"Content-Type": content_type})
    signer = SigV4Auth(by, service, region)
    # botocore signs for now; the time that it signs for is moved back, and the signature made for that.
    request.context["timestamp"] = f"{SystemClock().now() - age:%Y%m%dT%H%M%SZ}"
    signer._modify_request_before_signing(request)  # noqa: SLF001  # the only place where the time can be given
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(to_sign, request))  # noqa: SLF001  # see above
    return dict(request.headers.items())


DOORS: tuple[Door[Gateway], ...] = (
    Door(
        "an unsigned call to an AWS_IAM route",
        "403 MissingAuthenticationTokenException",
        Gateway.signature,
        Gateway.no_signature,
    ),
    Door("an altered signature", "403 InvalidSignatureException", Gateway.signature, Gateway.altered_signature),
    Door(
        "a signature of another query string",
        "403 InvalidSignatureException",
        Gateway.signature,
        Gateway.signature_of_another_query,
    ),
    Door(
        "a signature of another body",
        "403 InvalidSignatureException",
        Gateway.signed_body,
        Gateway.signature_of_another_body,
    ),
    Door(
        "a signature of twenty minutes ago",
        "403 InvalidSignatureException",
        Gateway.signature,
        Gateway.stale_signature,
    ),
    Door(
        "a signature for another service",
        "403 InvalidSignatureException",
        Gateway.signature,
        Gateway.signature_for_another_service,
    ),
    Door(
        "a signature by an access key that does not exist",
        "403 UnrecognizedClientException",
        Gateway.signature,
        Gateway.unknown_key,
    ),
    Door(
        "a good signature of somebody without execute-api:Invoke",
        "403 AccessDeniedException",
        Gateway.signature,
        Gateway.without_permission,
    ),
    Door("no API key", "403 ForbiddenException", Gateway.right_key, Gateway.no_key),
    Door("a wrong API key", "403 ForbiddenException", Gateway.right_key, Gateway.wrong_key),
    Door("a disabled API key", "403 ForbiddenException", Gateway.right_key, Gateway.key_that_is_disabled),
    Door(
        "the fifth call of a plan with a burst of three",
        "429 TooManyRequestsException",
        Gateway.right_key,
        Gateway.over_rate,
    ),
    Door(
        "the fifth call of a plan with a quota of three",
        "429 LimitExceededException",
        Gateway.right_key,
        Gateway.over_quota,
    ),
    Door("user pool authorizer: no token", "401 UnauthorizedException", Gateway.right_token, Gateway.no_token),
    Door(
        "user pool authorizer: an `alg: none` token",
        "401 UnauthorizedException",
        Gateway.right_token,
        Gateway.unsigned_token,
    ),
    Door(
        "user pool authorizer: a token that another key signed",
        "401 UnauthorizedException",
        Gateway.right_token,
        Gateway.foreign_token,
    ),
    Door(
        "user pool authorizer: a token that has expired",
        "401 UnauthorizedException",
        Gateway.right_token,
        Gateway.token_that_expired,
        waits=True,
    ),
    Door(
        "user pool authorizer: another pool's token",
        "401 UnauthorizedException",
        Gateway.right_token,
        Gateway.token_of_another_pool,
    ),
    Door(
        "a function whose resource policy does not name the API",
        "500 InternalServerErrorException",
        Gateway.permitted_function,
        Gateway.function_without_permission,
    ),
    Door(
        "ListUsers by a function whose role allows nothing",
        "403 AccessDenied",
        Gateway.function_with_a_role,
        Gateway.function_beyond_its_role,
    ),
)
