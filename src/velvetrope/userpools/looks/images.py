"""Images for the pages: which kind the bytes are, and that an SVG does nothing but show.

Pages show images as images, never as documents, under a policy that runs and loads nothing; what is refused here would
do nothing there either. It is refused all the same, since images are handed on by Describe operations.
"""

import re
from typing import Final, Literal

from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["MEDIA_TYPES", "ImageKind", "image_kind"]

ImageKind = Literal["ICO", "JPEG", "PNG", "SVG", "WEBP"]

MEDIA_TYPES: Final[dict[ImageKind, str]] = {
    "ICO": "image/x-icon",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "SVG": "image/svg+xml",
    "WEBP": "image/webp",
}
_UNSAFE_SVG: Final = re.compile(
    rb"<\s*(script|foreignObject|iframe|!DOCTYPE|!ENTITY)|\son[a-z]+\s*=|javascript:", re.IGNORECASE
)
_SVG_REFERENCE: Final = re.compile(rb"(?:href|src)\s*=\s*[\"'](?!#|data:image/(?:png|jpeg);)", re.IGNORECASE)


def image_kind(image: bytes, *, member: str) -> ImageKind | None:
    """What the bytes are; None for anything else. `member` is the name of the parameter, for the refusal.

    Raises:
        InvalidParameterException: an SVG that does more than show.
    """
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if image.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "WEBP"
    if image.startswith(b"\x00\x00\x01\x00"):
        return "ICO"
    if image.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml")) and b"<svg" in image:
        if _UNSAFE_SVG.search(image) or _SVG_REFERENCE.search(image):
            raise InvalidParameterException(f"{member}: an SVG may hold no script and refer to nothing elsewhere.")
        return "SVG"
    return None
