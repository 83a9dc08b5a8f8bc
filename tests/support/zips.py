"""Code of functions, packed."""

import io
import zipfile

__all__ = ["make_zip"]


def make_zip(files: dict[str, str], *, executable: tuple[str, ...] = ()) -> bytes:
    """A zip of these texts by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name in executable else 0o644) << 16
            archive.writestr(entry, text)
    return out.getvalue()
