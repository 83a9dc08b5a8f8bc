"""Signatures whose padding holds another spelling of the digest: a verifier that parses it, and leniently, is deceived.

Wycheproof's RS256 vectors flagged `ModifiedPadding` are PKCS #1 paddings with one element of the DigestInfo spelled in
a way that BER allows, or that nothing allows (lengths that overflow, garbage, elements left out or twice). These are
the same changes by their names there, each made to every element, and signed with a key of our own. RFC 8017 section
8.2.2 compares the whole padding, and so does what verifies our tokens: all of them are refused. (The vectors
as they were published: `tests/sts/test_wycheproof_json_web.py`.)
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from velvetrope.tokens.keys import PublicKey

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY = PublicKey(kid="key", rsa_key=PRIVATE.public_key())
SIGNED = b"eyJhbGciOiJSUzI1NiJ9.Zm9v"


@dataclass(frozen=True)
class Element:
    """One DER element: its tag, and its value or the elements that make it up."""

    tag: int
    value: bytes = b""
    parts: tuple["Element", ...] = ()

    @property
    def content(self) -> bytes:
        return self.value + b"".join(map(encoded, self.parts))


@dataclass(frozen=True)
class Raw(Element):
    """An element that is spelled in a way of its own."""

    text: bytes = b""


def encoded(element: Element) -> bytes:
    if isinstance(element, Raw):
        return element.text
    return bytes([element.tag, len(element.content)]) + element.content


DIGEST_INFO = Element(
    0x30,
    parts=(
        Element(0x30, parts=(Element(0x06, bytes.fromhex("608648016503040201")), Element(0x05))),
        Element(0x04, hashlib.sha256(SIGNED).digest()),
    ),
)
GARBAGE = bytes.fromhex("0498770004000000")
UNDEFINED_TAG = bytes.fromhex("aa0abb00cd00")


def spelled(text: Callable[[int, bytes], bytes]) -> Callable[[Element], Element]:
    """A change of how tag and content are written down."""
    return lambda element: Raw(0, text=text(element.tag, element.content))


def length(octets: str, *, first: int | None = None) -> Callable[[Element], Element]:
    """The length in long form: these octets in hexadecimal, with the true length in place of `LL`."""

    def text(tag: int, content: bytes) -> bytes:
        written = bytes.fromhex(octets.replace("LL", f"{len(content):02x}"))
        return bytes([tag, 0x80 | len(written) if first is None else first]) + written + content

    return spelled(text)


def short(change: int) -> Callable[[Element], Element]:
    return spelled(lambda tag, content: bytes([tag, (len(content) + change) % 256]) + content)


CHANGES: dict[str, Callable[[Element], Element]] = {
    "longFormEncodingOfLength": length("LL"),
    "lengthContainsLeading0": length("00LL"),
    "lengthContainsManyLeading0": length("0000000000LL"),
    "lengthPlus1": short(1),
    "lengthMinus1": short(-1),
    "lengthPlus256": length("01LL"),
    "uint32OverflowInLength": length("01000000LL"),
    "uint64OverflowInLength": length("0100000000000000LL"),
    "lengthIs2To31Minus1": length("7fffffff"),
    "lengthIs2To31": length("80000000"),
    "lengthIs2To32Minus1": length("ffffffff"),
    "lengthIs2To40Minus1": length("ffffffffff"),
    "lengthIs2To64Minus1": length("ffffffffffffffff"),
    "incorrectLength": length("", first=0xFF),
    "reservedLength": length("LL", first=0xFF),
    "indefiniteLengthWithoutEnd": length("", first=0x80),
    "indefiniteLength": spelled(lambda tag, content: bytes([tag, 0x80]) + content + bytes(2)),
    "indefiniteLengthWithTruncatedEnd": spelled(lambda tag, content: bytes([tag, 0x80]) + content + bytes(1)),
    "indefiniteLengthWithNonemptyEnd": spelled(lambda tag, content: bytes([tag, 0x80]) + content + b"\x00\x02\x05\x00"),
    "removed": lambda _: Raw(0),
    "lengthRemoved": spelled(lambda tag, content: bytes([tag]) + content),
    "onlyTheTag": spelled(lambda tag, _: bytes([tag])),
    "tagRemoved": spelled(lambda _, content: content),
    "appending0s": spelled(lambda tag, content: bytes([tag, len(content) + 2]) + content + bytes(2)),
    "prepending0s": spelled(lambda tag, content: bytes([tag, len(content) + 2]) + bytes(2) + content),
    "appendingUnused0s": spelled(lambda tag, content: bytes([tag, len(content)]) + content + bytes(2)),
    "appendingNull": spelled(lambda tag, content: bytes([tag, len(content) + 2]) + content + b"\x05\x00"),
    "prependingGarbage": spelled(lambda tag, content: GARBAGE + bytes([tag, len(content)]) + content),
    "appendingGarbage": spelled(lambda tag, content: bytes([tag, len(content)]) + content + GARBAGE),
    "includingUndefinedTags": spelled(lambda tag, content: UNDEFINED_TAG + bytes([tag, len(content)]) + content),
    "includingUndefinedTagsInside": spelled(
        lambda tag, content: bytes([tag, len(content) + 6]) + UNDEFINED_TAG + content
    ),
    "compositionWithIndefiniteLength": spelled(
        lambda tag, content: bytes([tag | 0x20, 0x80, tag, len(content)]) + content + bytes(2)
    ),
    "compositionWithWrongTag": spelled(
        lambda tag, content: bytes([tag | 0x20, 0x80, 0x0C, len(content)]) + content + bytes(2)
    ),
    "composition": spelled(lambda tag, content: bytes([tag | 0x20, len(content) + 2, tag, len(content)]) + content),
    "replacedWithNull": lambda _: Raw(0, text=b"\x05\x00"),
    "replacedWithEmpty": spelled(lambda tag, _: bytes([tag, 0])),
    **{
        f"tagValue{tag:02x}": spelled(lambda _, content, tag=tag: bytes([tag, len(content)]) + content)  # type: ignore[misc]  # a default binds the loop's tag
        for tag in (0x2E, 0x32, 0x38, 0xB0, 0xF0, 0xFF, 0x01, 0x1F)
    },
    "valueTruncatedAtTheEnd": spelled(lambda tag, content: bytes([tag, max(len(content) - 1, 0)]) + content[:-1]),
    "valueTruncatedAtTheBeginning": spelled(lambda tag, content: bytes([tag, max(len(content) - 1, 0)]) + content[1:]),
    "firstByteModified": spelled(
        lambda tag, content: bytes([tag, len(content) or 1, (content or b"\0")[0] ^ 2]) + content[1:]
    ),
    "lastByteModified": spelled(
        lambda tag, content: bytes([tag, len(content) or 1]) + content[:-1] + bytes([(content or b"\0")[-1] ^ 1])
    ),
    "twice": lambda element: Raw(0, text=encoded(element) * 2),
    "withinASequence": lambda element: Element(0x30, parts=(element,)),
}


def places(element: Element) -> Iterator[Callable[[Element], Element]]:
    """For each element in it: the whole with that element replaced by something else."""

    def descend(inside: Element, rebuild: Callable[[Element], Element]) -> Iterator[Callable[..., Element]]:
        yield rebuild
        for number, part in enumerate(inside.parts):

            def with_part(other: Element, number: int = number) -> Element:
                return rebuild(replace(inside, parts=(*inside.parts[:number], other, *inside.parts[number + 1 :])))

            yield from descend(part, with_part)

    yield from descend(element, lambda other: other)


def elements(element: Element) -> Iterator[Element]:
    yield element
    for part in element.parts:
        yield from elements(part)


def signed(digest_info: bytes, *, filler: int | None = None) -> bytes:
    """RSA's own operation on a padding around `digest_info`, which a signer makes who is up to something.

    With `filler`, so many padding bytes, and zeros behind the digest: what is left for a forger to choose.
    """
    numbers = PRIVATE.private_numbers()
    count = 256 - 3 - len(digest_info) if filler is None else filler
    block = b"\x00\x01" + b"\xff" * count + b"\x00" + digest_info
    made = gmpy2.powmod(int.from_bytes(block.ljust(256, b"\0")), numbers.d, numbers.public_numbers.n)
    return int(made).to_bytes(256)


def test_padding_as_it_should_be_is_taken() -> None:
    assert encoded(DIGEST_INFO).startswith(bytes.fromhex("3031300d060960864801650304020105000420"))
    assert KEY.verify(signed(encoded(DIGEST_INFO)), SIGNED)


@pytest.mark.parametrize("name", CHANGES)
def test_digest_that_is_spelled_in_another_way_is_refused(name: str) -> None:
    seen = 0
    for place, element in zip(places(DIGEST_INFO), elements(DIGEST_INFO), strict=True):
        changed = encoded(place(CHANGES[name](element)))
        if changed == encoded(DIGEST_INFO):
            continue  # what is empty cannot be emptied
        seen += 1
        assert not KEY.verify(signed(changed), SIGNED), changed.hex()
        assert not KEY.verify(signed(changed, filler=8), SIGNED), changed.hex()
    assert seen >= 3
