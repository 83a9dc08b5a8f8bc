"""A request that was refused, and the rooms that keep the record of it."""

from datetime import UTC, datetime

from velvetrope.decisions import DecisionRecord, DecisionStep

__all__ = ["NOON", "refusal"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def refusal(
    request_id: str,
    *,
    at: datetime = NOON,
    source_ip: str = "192.0.2.1",
    path: str = "/orders",
    reason: str = "there is no x-api-key header",
    refused: bool = True,
) -> DecisionRecord:
    """The record of one request; `refused=False`: of one that was let in."""
    return DecisionRecord(
        request_id=request_id,
        at=at,
        service="execute-api",
        action="execute-api:Invoke",
        resource="arn:aws:execute-api:us-west-2:111111111111:abc/latest/GET/orders",
        method="GET",
        path=path,
        source_ip=source_ip,
        principal_arn="",
        outcome="refused" if refused else "allowed",
        status=403 if refused else 200,
        code="ForbiddenException" if refused else "",
        steps=(DecisionStep("api key", "refused" if refused else "allowed", reason),),
        duration_ms=0.125,
    )
