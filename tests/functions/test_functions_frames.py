"""The frames between server and sandbox: taken apart however they arrive, and no way to speak for somebody else."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.functions import Lambda, error_of
from velvetrope.functions.configurations import Environment
from velvetrope.zygote import frames

TEXTS = st.text(max_size=40)
BODIES = st.binary(max_size=300)
EVENTS = st.builds(
    frames.Event,
    request_id=TEXTS,
    deadline_ms=st.integers(0, 2**63),
    invoked_function_arn=TEXTS,
    payload=BODIES,
    client_context=BODIES,
    cognito_identity=BODIES,
    trace_id=TEXTS,
    processor=st.one_of(st.none(), st.integers(0, 8191)),
)
FRAMES = st.one_of(
    st.just((frames.READY, b"")),
    st.tuples(st.just(frames.TOO_LARGE), BODIES),
    st.tuples(st.sampled_from([frames.RESULT, frames.ERROR, frames.INIT_ERROR]), BODIES),
)


@given(sent=st.lists(FRAMES), piece=st.integers(1, 50))
def test_frames_are_the_same_in_whatever_pieces_they_arrive(sent: list[tuple[int, bytes]], piece: int) -> None:
    data = b"".join(frames.render_frame(kind, body) for kind, body in sent)
    reader = frames.FrameReader()

    got = [frame for at in range(0, len(data), piece) for frame in reader.feed(data[at : at + piece])]

    assert got == sent


@given(EVENTS)
def test_an_event_comes_out_as_it_went_in(event: frames.Event) -> None:
    assert frames.parse_event(frames.render_event(event)[5:]) == event


@given(tag=TEXTS, body=BODIES)
def test_a_tag_and_its_body_come_out_as_they_went_in(tag: str, body: bytes) -> None:
    [(_, found)] = frames.FrameReader().feed(frames.render_tagged(frames.RESULT, tag, body))

    assert frames.split_tagged(found) == (tag, body)


@given(st.binary(max_size=200))
def test_whatever_arrives_is_frames_or_broken_and_nothing_else(data: bytes) -> None:
    try:
        for kind, body in frames.FrameReader().feed(data):
            if kind not in {frames.READY, frames.TOO_LARGE}:
                frames.split_tagged(body)
    except frames.FrameBroken:
        pass


@pytest.mark.parametrize(
    "data",
    [
        frames.render_frame(frames.EVENT, b""),
        frames.render_frame(frames.START, b"{}"),
        frames.render_frame(0, b""),
        frames.render_frame(frames.READY, b"x"),
        (6_291_556 + 1024 + 2 + 1).to_bytes(4, "big") + bytes([frames.RESULT]),
        b"\xff\xff\xff\xff" + bytes([frames.RESULT]),
    ],
)
def test_a_kind_that_a_sandbox_may_not_send_or_a_body_too_long_for_it_is_broken(data: bytes) -> None:
    with pytest.raises(frames.FrameBroken):
        frames.FrameReader().feed(data)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x05abcd", b"\x00\x00" + b"x" * 6_291_557])
def test_a_tag_that_is_not_in_its_body_or_a_result_over_the_limit_is_broken(body: bytes) -> None:
    with pytest.raises(frames.FrameBroken):
        frames.split_tagged(body)


def test_a_result_of_exactly_the_limit_is_taken() -> None:
    body = b"x" * 6_291_556
    [(_, found)] = frames.FrameReader().feed(frames.render_tagged(frames.RESULT, "i" * 1024, body))

    assert frames.split_tagged(found)[1] == body


MISBEHAVES = """
import os, socket, struct, time

def frame(kind, body):
    return struct.pack(">IB", len(body), kind) + body

def answer(request_id, body):
    return frame(17, struct.pack(">H", len(request_id)) + request_id.encode() + body)

def server():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                return int(name)
        except OSError:
            pass

calls = 0
def handler(event, context):
    global calls
    calls += 1
    if "raw" in event:
        os.write(server(), bytes.fromhex(event["raw"]))
        time.sleep(60)
    if "as" in event:
        os.write(server(), answer(event["as"], b'"forged"'))
        time.sleep(60)
    if event.get("twice"):
        os.write(server(), answer(context.aws_request_id, b'"early"'))
        return "late"
    if event.get("last"):
        os.write(server(), answer(context.aws_request_id, b'"last words"'))
        os._exit(3)
    if event.get("close"):
        os.close(server())
        time.sleep(60)
    if event.get("slow"):
        time.sleep(0.3)
    return {"calls": calls, "id": context.aws_request_id}
"""


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n".hex(),
        "ffffffff11",
        "0000000010",  # READY, out of turn
        "0000000202ffff",
        "0000000311ffff00",
        "000000011400",
    ],
)
async def test_a_function_that_breaks_the_protocol_is_ended_and_the_next_invocation_served(
    functions: Lambda, raw: str
) -> None:
    arn = await functions.create(MISBEHAVES, timeout=30)

    result = await functions.invoke(arn, json.dumps({"raw": raw}).encode())
    after = await functions.invoke(arn)

    assert error_of(result)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert b"The runtime broke its protocol: " in result.log_tail
    assert json.loads(after.payload)["calls"] == 1


async def test_a_function_cannot_answer_an_invocation_of_another_sandbox(functions: Lambda) -> None:
    """Even if it knows the other's request id, which it cannot."""
    forger = await functions.create(MISBEHAVES, timeout=30)
    victim = await functions.create(MISBEHAVES, name="victim", timeout=30)
    request_id = "5f1c2d3e-0000-4000-8000-00000000beef"
    theirs = asyncio.create_task(functions.invoke(victim, b'{"slow": true}', request_id=request_id))

    forged = await functions.invoke(forger, json.dumps({"as": request_id}).encode())

    assert error_of(forged)["errorType"] == "Runtime.ExitError"
    assert json.loads((await theirs).payload)["id"] == request_id


async def test_a_second_answer_to_an_invocation_is_not_the_answer_to_the_next(functions: Lambda) -> None:
    arn = await functions.create(MISBEHAVES)

    first = await functions.invoke(arn, b'{"twice": true}')
    second = await functions.invoke(arn)

    assert first.payload == b'"early"'
    assert json.loads(second.payload) == {"calls": 1, "id": second.request_id}


async def test_a_function_that_closes_its_socket_is_ended_by_its_time_limit(functions: Lambda) -> None:
    arn = await functions.create(MISBEHAVES, timeout=1)

    result = await functions.invoke(arn, b'{"close": true}')
    after = await functions.answered(arn)

    assert error_of(result)["errorType"] == "Sandbox.Timedout"
    assert after["calls"] == 1


async def test_a_result_is_taken_from_a_process_that_ended_right_after_it(functions: Lambda) -> None:
    arn = await functions.create(MISBEHAVES)

    results = [await functions.invoke(arn, b'{"last": true}') for _ in range(5)]

    assert [(result.payload, result.function_error) for result in results] == [(b'"last words"', None)] * 5


async def test_an_event_and_a_result_of_six_megabytes_pass_whole(functions: Lambda) -> None:
    arn = await functions.create("def handler(event, context): return event[::-1]", timeout=30, memory_size=1024)
    text = "ab" * 3_000_000

    result = await functions.invoke(arn, json.dumps(text).encode())

    assert json.loads(result.payload) == text[::-1]


@pytest.mark.parametrize(
    ("name", "forked"),
    [
        ("TABLE", True),
        ("PYTHONPATH", True),
        ("PYTHONHASHSEED", False),
        ("LD_PRELOAD", False),
        ("MALLOC_ARENA_MAX", False),
    ],
)
async def test_variables_that_change_how_an_interpreter_begins_begin_a_fresh_one(
    functions: Lambda, name: str, forked: bool
) -> None:
    source = 'import os\ndef handler(event, context): return "AWS_LAMBDA_RUNTIME_API" in os.environ'
    arn = await functions.create(source, environment=Environment(variables={name: "0"}))

    assert (await functions.invoke(arn)).payload == (b"false" if forked else b"true")
