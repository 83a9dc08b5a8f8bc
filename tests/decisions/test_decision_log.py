"""The log of decisions: what it keeps, what it forgets, who hears of it."""

from datetime import UTC, datetime

from velvetrope.decisions import DecisionLog, DecisionRecord, DecisionStep


def _record(request_id: str, *, refused: bool = False) -> DecisionRecord:
    return DecisionRecord(
        request_id=request_id,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        service="execute-api",
        action="execute-api:Invoke",
        resource="arn:aws:execute-api:us-west-2:111111111111:abc/latest/GET/",
        method="GET",
        path="/latest",
        source_ip="127.0.0.1",
        principal_arn="",
        outcome="refused" if refused else "allowed",
        status=403 if refused else 200,
        code="ForbiddenException" if refused else "",
        steps=(DecisionStep("route", "allowed", "GET / is declared"),),
        duration_ms=0.1,
    )


def test_newest_records_come_first() -> None:
    log = DecisionLog()
    for request_id in ("a", "b", "c"):
        log.record(_record(request_id))

    assert [record.request_id for record in log.recent(2)] == ["c", "b"]


def test_refusals_can_be_asked_for_alone() -> None:
    log = DecisionLog()
    for number in range(6):
        log.record(_record(str(number), refused=number % 2 == 0))

    assert [record.request_id for record in log.recent(2, only_refused=True)] == ["4", "2"]


def test_the_oldest_record_makes_room() -> None:
    log = DecisionLog(capacity=2)
    for request_id in ("a", "b", "c"):
        log.record(_record(request_id))

    assert log.find("a") is None
    assert log.find("b") is not None


def test_subscribers_hear_until_they_leave() -> None:
    log, heard = DecisionLog(), list[str]()
    leave = log.subscribe(lambda record: heard.append(record.request_id))

    log.record(_record("a"))
    leave()
    log.record(_record("b"))

    assert heard == ["a"]


def test_who_leaves_while_told_takes_the_record_from_nobody_else() -> None:
    log, heard = DecisionLog(), list[str]()

    def hear_once(record: DecisionRecord) -> None:
        heard.append(f"once {record.request_id}")
        leave()

    leave = log.subscribe(hear_once)
    log.subscribe(lambda record: heard.append(f"always {record.request_id}"))

    log.record(_record("a"))
    log.record(_record("b"))

    assert heard == ["once a", "always a", "always b"]
