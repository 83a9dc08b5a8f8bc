"""Code that is taken in: once per digest, whole or not at all, and nothing outside its folder."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from support.zips import make_zip
from velvetrope.functions import CodeStore
from velvetrope.functions.code import MAX_DEPTH, MAX_ENTRIES, MAX_ZIPPED_BYTES
from velvetrope.functions.errors import InvalidParameterValueException, RequestEntityTooLargeException
from velvetrope.synth.packaging import package_folder

CANNOT_UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@pytest.fixture
def code(tmp_path: Path) -> CodeStore:
    return CodeStore(tmp_path / "code")


def zip_of(entry: zipfile.ZipInfo, data: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, data)
    return out.getvalue()


def link() -> bytes:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_of(entry, b"/etc/passwd")


def encrypted() -> bytes:
    """An entry that says that it is encrypted, in both of its headers."""
    data = bytearray(zip_of(zipfile.ZipInfo("app.py")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def damaged() -> bytes:
    data = bytearray(make_zip({"app.py": "x = 1"}))
    data[data.index(b"x = 1")] ^= 1
    return bytes(data)


def longer_than_declared() -> bytes:
    """An entry whose directory says one byte and whose data are many."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", b"\0" * 100_000)
    data = bytearray(out.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1).to_bytes(4, "little")
    return bytes(data)


def compressed_by(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("app.py", "x = 1")
    return out.getvalue()


def test_code_is_unpacked_read_only_with_its_execute_permissions(code: CodeStore) -> None:
    data = make_zip({"app.py": "x = 1", "bin/tool": "#!/bin/sh"}, executable=("bin/tool",))

    stored = code.put_zip(data)

    folder = code.folder_of(stored.sha256)
    assert stored.size_bytes == len(data)
    assert (folder / "app.py").read_text() == "x = 1"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {"app.py": 0o444, "bin": 0o555, "tool": 0o555}


def test_the_same_zip_is_unpacked_once(code: CodeStore) -> None:
    data = make_zip({"app.py": "x = 1"})
    first = code.put_zip(data)
    made = code.folder_of(first.sha256).stat().st_ino

    second = code.put_zip(data)

    assert second == first
    assert code.folder_of(first.sha256).stat().st_ino == made


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not a zip", id="no zip"),
        pytest.param(b"", id="nothing"),
        pytest.param(make_zip({}), id="no entry"),
        pytest.param(make_zip({"../app.py": "x"}), id="above its folder"),
        pytest.param(make_zip({"a/../../app.py": "x"}), id="above its folder, by detour"),
        pytest.param(make_zip({"/etc/app.py": "x"}), id="absolute"),
        pytest.param(make_zip({"..\\app.py": "x"}), id="backslash"),
        pytest.param(make_zip({"app": "x", "app/x": "y"}), id="file and folder of one name"),
        pytest.param(link(), id="link"),
        pytest.param(encrypted(), id="encrypted"),
        pytest.param(damaged(), id="checksum differs"),
        pytest.param(longer_than_declared(), id="longer than declared"),
        pytest.param(compressed_by(zipfile.ZIP_BZIP2), id="bzip2"),
        pytest.param(compressed_by(zipfile.ZIP_LZMA), id="LZMA"),
        pytest.param(make_zip({"a" * 256: "x"}), id="name too long"),
        pytest.param(make_zip({"/".join(["a" * 200] * 30): "x"}), id="path too long"),
        pytest.param(make_zip({"d/" * 2000 + "x": "x"}), id="too deep"),
        pytest.param(make_zip({f"{n}" + "/d" * 90 + "/x": "" for n in range(1000)}), id="too many folders"),
        pytest.param(make_zip({f"{n}": "" for n in range(MAX_ENTRIES + 1)}), id="too many entries"),
    ],
)
def test_a_zip_that_may_not_be_unpacked_is_refused_and_leaves_nothing(
    code: CodeStore, tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(InvalidParameterValueException) as refusal:
        code.put_zip(data)

    assert refusal.value.message == CANNOT_UNZIP
    assert [path for path in tmp_path.rglob("*") if path.name != "code"] == []


def test_a_zip_as_deep_as_it_may_be_is_unpacked(code: CodeStore) -> None:
    stored = code.put_zip(make_zip({"d/" * (MAX_DEPTH - 1) + "x": "x"}))

    assert (code.folder_of(stored.sha256) / ("d/" * (MAX_DEPTH - 1) + "x")).read_text() == "x"


def test_sizes_over_the_limits_are_refused_with_awss_words(code: CodeStore) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(6):
            archive.writestr(f"zeros{number}", bytes(50_000_000))

    with pytest.raises(RequestEntityTooLargeException, match=r"^Zipped size must be smaller than 52428800 bytes$"):
        code.put_zip(bytes(MAX_ZIPPED_BYTES + 1))
    with pytest.raises(InvalidParameterValueException, match=r"^Unzipped size must be smaller than 262144000 bytes$"):
        code.put_zip(bomb.getvalue())


def test_pruning_keeps_what_is_named(code: CodeStore) -> None:
    kept = code.put_zip(make_zip({"app.py": "x = 1"}))
    gone = code.put_zip(make_zip({"app.py": "x = 2", "folder/x": "y"}))

    code.prune({kept.sha256})

    assert code.folder_of(kept.sha256).exists()
    assert not code.folder_of(gone.sha256).exists()


def test_a_folder_becomes_the_same_zip_every_time_without_what_is_not_code(code: CodeStore, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "package" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / "package" / "module.py").write_text("y = 1")
    (folder / "app.py").write_text("x = 1")
    (folder / "bootstrap").write_text("#!/bin/sh")
    (folder / "bootstrap").chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")
    first = package_folder(folder).zip_bytes

    os.utime(folder / "app.py", (0, 0))
    stored = code.put_zip(package_folder(folder).zip_bytes)

    unpacked = code.folder_of(stored.sha256)
    assert package_folder(folder).zip_bytes == first
    assert sorted(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")) == [
        "app.py",
        "bootstrap",
        "package",
        "package/module.py",
    ]
    assert os.access(unpacked / "bootstrap", os.X_OK)
