"""What is wrong with a store is found, and told without values."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from support.stores import store_url
from velvetrope.store import METADATA, Database, Record
from velvetrope.store.copies import CopyRefused, whole_store
from velvetrope.store.dialects.whole_tables import Row
from velvetrope.store.soundness import find_faults
from velvetrope.store.tables.userpools_configuration import SamlKey


async def made(folder: Path) -> str:
    url = store_url(folder)
    await (await Database.open(url, durable=False)).close()
    return url


def write(url: str, table: str, *rows: Row) -> None:
    with whole_store(url, writes=True) as store:
        store.write(METADATA.tables[table], rows)


def faults(url: str, *, knows_seal: Callable[[bytes], bool] = bool) -> list[str]:
    with whole_store(url, writes=False) as store:
        return list(find_faults(store, knows_seal=knows_seal))


async def test_nothing_is_wrong_with_a_new_store(tmp_path: Path) -> None:
    assert faults(await made(tmp_path)) == []


async def test_a_database_without_a_store_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "none.db")) as database:
        database.execute("CREATE TABLE other (x)")

    with pytest.raises(CopyRefused, match="holds no velvetrope's state"):
        faults(f"sqlite:///{tmp_path / 'none.db'}")


@pytest.mark.parametrize("record", ["{", "{}", "[]", ""])
async def test_a_record_that_cannot_be_read_is_found(record: str, tmp_path: Path) -> None:
    url = await made(tmp_path)
    write(url, "iam_open_id_providers", ("arn:of:it", "123456789012", record))

    assert faults(url) == ["iam_open_id_providers: 1 row that cannot be read."]


def test_records_of_all_tables_are_read() -> None:
    """Those that hold more than their columns: a table without one has nothing that could not be read."""
    assert len([table for table in METADATA.tables.values() for c in table.columns if isinstance(c.type, Record)]) > 50


async def test_a_seal_of_another_master_key_is_found_in_columns_and_in_records(tmp_path: Path) -> None:
    url = await made(tmp_path)
    sealed = b"KEY1 and the rest"
    key = SamlKey(
        user_pool_id="pool",
        use="signing",
        certificate_der=b"",
        private_key_sealed=sealed,
        created_at=datetime(2026, 11, 26, tzinfo=UTC),
    )
    write(url, "userpools_former_passwords", ("pool", "anna", 1, sealed), ("pool", "ben", 1, b"KEY2 and the rest"))
    write(url, "userpools_saml_keys", ("pool", "signing", msgspec.json.encode(key).decode()))

    found = faults(url, knows_seal=lambda seal: seal.startswith(b"KEY2"))

    assert found == [
        "userpools_former_passwords: 1 row sealed by a master key that is not there.",
        "userpools_saml_keys: 1 row sealed by a master key that is not there.",
    ]
    assert faults(url, knows_seal=lambda seal: seal.startswith(b"KEY")) == []


async def test_what_only_a_browser_can_open_is_not_asked_for_its_key(tmp_path: Path) -> None:
    url = await made(tmp_path)
    write(url, "hosted_ui_pending_sign_ins", ("hash", "pool", 0, b"sealed with a cookie's key"))

    assert faults(url, knows_seal=lambda _seal: False) == []


async def test_code_under_another_digest_than_its_own_is_found(tmp_path: Path) -> None:
    url = await made(tmp_path)
    write(url, "functions_code", (hashlib.sha256(b"zip").hexdigest(), 0, b"zip"), ("0" * 64, 0, b"zip"))

    assert faults(url) == ["functions_code: 1 row of code that is not under its own digest."]


async def test_rows_that_belong_to_nothing_are_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("orphans")
    url = await made(folder)
    with closing(sqlite3.connect(folder / "velvetrope.db")) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("INSERT INTO apigateway_usage_plan_keys (usage_plan_id, key_id) VALUES ('gone', 'k')")
        database.commit()

    assert faults(url) == [
        f"apigateway_usage_plan_keys: 1 row without the row of {parent} that they belong to."
        for parent in ("apigateway_api_keys", "apigateway_usage_plans")
    ]


async def test_a_damaged_file_is_found_and_read_no_further(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A page that belongs to nothing: the header counts it (SQLite, "Database File Format", 1.3.8)."""
    folder = tmp_path_factory.mktemp("damaged")
    url = await made(folder)
    with (folder / "velvetrope.db").open("r+b") as file:
        header = file.read(100)
        page_size, pages = int.from_bytes(header[16:18]), int.from_bytes(header[28:32])
        file.seek(page_size * pages)
        file.write(bytes(page_size))
        file.seek(28)
        file.write((pages + 1).to_bytes(4))

    found = faults(url)

    assert len(found) == 1
    assert found[0].startswith("The database is damaged: ")
    assert "never used" in found[0]
