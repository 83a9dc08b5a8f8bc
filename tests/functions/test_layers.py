"""Layers: published once, found by functions at /opt, laid over each other, and kept while somebody uses them."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.functions import ACCOUNT, REGION, Lambda, running_lambda
from support.zips import make_zip
from velvetrope.functions import layers as layers_module
from velvetrope.functions.code import CodeStore
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.layer_operations import LayerVersionContent
from velvetrope.store import Database

LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:"
SOURCE = """
import pricing
def handler(event, context):
    return pricing.price()
"""


def python(module: str, source: str) -> dict[str, str]:
    return {f"python/{module}.py": source}


async def publish(functions: Lambda, name: str, files: dict[str, str], **parameters: Any) -> str:
    answer = await functions.operate(
        "publish_layer_version",
        layer_name=name,
        content=LayerVersionContent(zip_file=make_zip(files)),
        **parameters,
    )
    arn: str = answer["layer_version_arn"]
    return arn


async def call(functions: Lambda, name: str = "orders") -> Any:
    result = await functions.invoke(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


async def test_a_function_imports_what_its_layer_brings(functions: Lambda) -> None:
    arn = await publish(functions, "pricing", python("pricing", "def price(): return 5"))

    await functions.create(SOURCE, layers=[arn])

    assert await call(functions) == 5
    shown = (await functions.operate("get_function", function_name="orders"))["configuration"]["layers"]
    assert [layer["arn"] for layer in shown] == [f"{LAYER}pricing:1"]


async def test_where_two_layers_have_the_same_file_the_later_one_is_taken(functions: Lambda) -> None:
    base = await publish(
        functions, "base", python("pricing", "import tax\ndef price(): return tax.rate") | python("tax", "rate = 1")
    )
    newer = await publish(functions, "newer", python("tax", "rate = 2"))

    await functions.create(SOURCE, layers=[base, newer])
    await functions.create(SOURCE, name="reversed", layers=[newer, base])

    assert await call(functions) == 2
    assert await call(functions, "reversed") == 1


async def test_layers_are_changed_and_taken_away_like_any_setting(functions: Lambda) -> None:
    first = await publish(functions, "pricing", python("pricing", "def price(): return 1"))
    second = await publish(functions, "pricing", python("pricing", "def price(): return 2"))
    await functions.create(SOURCE, layers=[first])
    before = await call(functions)

    await functions.operate("update_function_configuration", function_name="orders", layers=[second])
    after = await call(functions)
    await functions.operate("update_function_configuration", function_name="orders", layers=[])
    without = await functions.invoke(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")

    assert (before, after) == (1, 2)
    assert "No module named 'pricing'" in json.loads(without.payload)["errorMessage"]


async def test_a_deleted_version_goes_on_for_who_has_it_and_is_refused_to_who_has_not(
    functions: Lambda, database: Database, tmp_path: Path
) -> None:
    arn = await publish(functions, "pricing", python("pricing", "def price(): return 5"))
    other = await publish(functions, "tax", python("tax", "rate = 2"))
    await functions.create(SOURCE, layers=[arn, other])

    await functions.operate("delete_layer_version", layer_name="pricing", version_number=1)

    with pytest.raises(InvalidParameterValueException, match=f"^Layer version {arn} does not exist"):
        await functions.create(SOURCE, name="late", layers=[arn])
    await functions.service.stop()
    async with running_lambda(database, tmp_path / "functions") as restarted:
        assert await call(restarted) == 5


async def test_numbers_are_never_used_twice(functions: Lambda) -> None:
    await publish(functions, "pricing", {"a": "1"})
    await functions.operate("delete_layer_version", layer_name="pricing", version_number=1)

    assert await publish(functions, "pricing", {"a": "2"}) == f"{LAYER}pricing:2"
    with pytest.raises(ResourceNotFoundException):
        await functions.operate("get_layer_version", layer_name="pricing", version_number=1)


async def test_versions_are_shown_by_number_and_by_arn(functions: Lambda) -> None:
    await publish(
        functions,
        "pricing",
        {"a": "1"},
        description="prices",
        compatible_runtimes=["python3.12"],
        compatible_architectures=["x86_64"],
        license_info="MIT",
    )

    by_number = await functions.operate("get_layer_version", layer_name=f"{LAYER}pricing", version_number=1)
    by_arn = await functions.operate("get_layer_version_by_arn", arn=f"{LAYER}pricing:1")

    assert by_number == by_arn
    assert by_number["layer_arn"] == f"{LAYER}pricing"
    assert (by_number["description"], by_number["license_info"]) == ("prices", "MIT")
    assert by_number["content"]["code_size"] == len(make_zip({"a": "1"}))


async def test_layers_and_versions_are_listed_page_by_page_and_by_what_they_fit(functions: Lambda) -> None:
    for runtime in ("python3.11", "python3.12", "python3.12"):
        await publish(functions, "pricing", {"a": runtime}, compatible_runtimes=[runtime])
    await publish(functions, "tools", {"a": "1"})

    first = await functions.operate("list_layer_versions", layer_name="pricing", max_items=2)
    second = await functions.operate(
        "list_layer_versions", layer_name="pricing", max_items=2, marker=first["next_marker"]
    )
    fitting = await functions.operate("list_layers", compatible_runtime="python3.11")
    pages = [await functions.operate("list_layers", max_items=1)]
    pages.append(await functions.operate("list_layers", max_items=1, marker=pages[0]["next_marker"]))

    assert [[version["version"] for version in page["layer_versions"]] for page in (first, second)] == [[3, 2], [1]]
    assert second["next_marker"] is None
    [only] = fitting["layers"]
    assert (only["layer_name"], only["latest_matching_version"]["version"]) == ("pricing", 1)
    assert [page["layers"][0]["layer_name"] for page in pages] == ["pricing", "tools"]
    assert pages[1]["next_marker"] is None


async def test_layers_that_a_function_cannot_have_are_refused(functions: Lambda) -> None:
    arns = [await publish(functions, f"layer-{number}", {"a": "1"}) for number in range(6)]
    again = await publish(functions, "layer-0", {"a": "2"})

    await functions.create("def handler(event, context): return 1", layers=arns[:5])
    assert await call(functions) == 1
    for layers, said in (
        (arns, "Cannot reference more than 5 layers"),
        ([arns[0], again], "Two different versions of the same layer"),
        ([f"{LAYER}nobody:1"], "does not exist"),
        ([arns[0].replace(ACCOUNT, "111111111111")], "does not exist"),
    ):
        with pytest.raises(InvalidParameterValueException, match=said):
            await functions.operate("update_function_configuration", function_name="orders", layers=layers)


async def test_a_layer_with_extensions_is_refused_by_name(functions: Lambda) -> None:
    watching = await publish(functions, "watching", {"extensions/watcher": "#!/bin/sh\n", "extensions/agent": ""})
    named_so = await publish(functions, "named-so", {"python/extensions/data.txt": "1"})

    with pytest.raises(InvalidParameterValueException, match=f"extensions, and {watching} brings agent, watcher"):
        await functions.create("def handler(event, context): return 1", layers=[watching])

    await functions.create("def handler(event, context): return 1", layers=[named_so])
    assert await call(functions) == 1


async def test_code_and_layers_together_have_a_limit(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = await publish(functions, "large", {"a": "x" * 900})
    monkeypatch.setattr(layers_module, "MAX_UNZIPPED_BYTES", 1000)

    await functions.create("#" * 100, layers=[arn])
    with pytest.raises(InvalidParameterValueException) as refused:
        await functions.create("#" * 101, name="more", layers=[arn])
    with pytest.raises(InvalidParameterValueException, match="The actual size is 1001 bytes"):
        await functions.operate(
            "update_function_code", function_name="orders", zip_file=make_zip({"app.py": "#" * 101})
        )

    assert refused.value.message == (
        "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. "
        "The actual size is 1001 bytes."
    )


async def test_a_layer_needs_content_that_can_be_unpacked(functions: Lambda) -> None:
    for content in (LayerVersionContent(), LayerVersionContent(zip_file=b"no zip")):
        with pytest.raises(InvalidParameterValueException):
            await functions.operate("publish_layer_version", layer_name="bad", content=content)
    with pytest.raises(ResourceNotFoundException):
        await functions.operate(
            "publish_layer_version",
            layer_name=LAYER.replace(ACCOUNT, "111111111111") + "theirs",
            content=LayerVersionContent(zip_file=make_zip({"a": "1"})),
        )


async def test_a_versions_policy_is_made_of_statements(functions: Lambda) -> None:
    arn = await publish(functions, "pricing", {"a": "1"})
    here = {"layer_name": "pricing", "version_number": 1}
    given = {**here, "action": "lambda:GetLayerVersion"}

    added = await functions.operate(
        "add_layer_version_permission", **given, statement_id="all", principal="*", organization_id="o-abcdefghij"
    )
    await functions.operate("add_layer_version_permission", **given, statement_id="one", principal=ACCOUNT)
    policy = await functions.operate("get_layer_version_policy", **here)
    with pytest.raises(ResourceConflictException):
        await functions.operate("add_layer_version_permission", **given, statement_id="one", principal="*")
    with pytest.raises(PreconditionFailedException):
        await functions.operate(
            "remove_layer_version_permission", **here, statement_id="one", revision_id=added["revision_id"]
        )
    for statement_id in ("one", "all"):
        await functions.operate("remove_layer_version_permission", **here, statement_id=statement_id)

    first, second = json.loads(policy["policy"])["Statement"]
    assert (
        json.loads(added["statement"])
        == first
        == {
            "Sid": "all",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "lambda:GetLayerVersion",
            "Resource": arn,
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
        }
    )
    assert second["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    with pytest.raises(ResourceNotFoundException, match="No policy is associated"):
        await functions.operate("get_layer_version_policy", **here)


@pytest.fixture
def store(tmp_path: Path) -> CodeStore:
    return CodeStore(tmp_path / "code")


async def test_files_give_way_to_folders_and_folders_to_files(store: CodeStore) -> None:
    first = store.put_zip(make_zip({"a": "file", "b/c": "deep", "kept": "1"})).sha256
    second = store.put_zip(make_zip({"a/b": "deep", "b": "file"})).sha256

    store.lay_over([first, second])

    merged = store.layered_folder([first, second])
    assert merged is not None
    found = {str(path.relative_to(merged)): path.read_text() for path in merged.rglob("*") if path.is_file()}
    assert found == {"a/b": "deep", "b": "file", "kept": "1"}
    assert (store.folder_of(first) / "a").read_text() == "file"


async def test_folders_are_kept_only_while_they_are_used(store: CodeStore) -> None:
    digests = [store.put_zip(make_zip({"a": str(number)})).sha256 for number in range(2)]
    store.lay_over(digests)
    merged = store.layered_folder(digests)
    assert merged is not None
    store.prune({digests[0]})

    assert store.folder_of(digests[0]).exists()
    assert not merged.exists()
    assert store.layered_folder([]) is None
