"""The template of the example app, expanded by SAM, applied and taken away."""

import json
import sys
from pathlib import Path

from support.cloudformation import ACCOUNT, CALL, REGION, Stacks
from support.running import REPOSITORY
from velvetrope.synth.app_file import load_app
from velvetrope.synth.sam import render_template, sam_template

CODE = {"Bucket": "velvetrope-local", "Key": "0123"}
ARTIFACTS = {("velvetrope-local", "0123"): b"a zip"}


def demo_template() -> str:
    path = list(sys.path)
    app = load_app(Path(REPOSITORY) / "examples" / "auth-api-demo" / "app.py")
    # Other tests load other files of that name.
    sys.path[:] = path
    del sys.modules["app"]
    return render_template(sam_template(app, code_uri=CODE))


async def test_the_demo_is_applied_and_wired(stacks: Stacks) -> None:
    applied = await stacks.apply(demo_template(), artifacts=ARTIFACTS)

    world = stacks.world
    assert world.of("CreateFunction")[0]["Code"] == {"ZipFile": b"a zip"}
    roles = world.of("SetIdentityPoolRoles")[0]["Roles"]
    assert sorted(roles) == ["authenticated", "unauthenticated"]
    trusts = [json.loads(given["AssumeRolePolicyDocument"]) for given in world.of("CreateRole")]
    pool_id = applied.outputs["IdentityPoolId"]
    assert sum(pool_id in json.dumps(trust) for trust in trusts) == 2
    [policy] = [given["PolicyDocument"] for given in world.of("PutRolePolicy")]
    api_id = applied.outputs["ApiId"]
    assert json.loads(policy)["Statement"][0]["Resource"] == [
        f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/latest/GET/require-auth"
    ]
    body = json.loads(world.of("ImportRestApi")[0]["body"])
    function_name = world.of("CreateFunction")[0]["FunctionName"]
    integration = body["paths"]["/require-auth"]["get"]["x-amazon-apigateway-integration"]
    assert integration["uri"] == (
        f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}/invocations"
    )
    assert world.of("CreateUsagePlan")[0]["apiStages"] == [{"apiId": api_id, "stage": "latest"}]
    assert {given["sourceArn" if "sourceArn" in given else "SourceArn"] for given in world.of("AddPermission")} == {
        f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*/GET/no-auth",
        f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*/GET/require-auth",
    }


async def test_applying_the_demo_again_tells_nobody_anything(stacks: Stacks) -> None:
    first = await stacks.apply(demo_template(), artifacts=ARTIFACTS)
    stacks.world.forget()

    again = await stacks.apply(demo_template(), artifacts=ARTIFACTS)

    assert stacks.world.told == []
    assert again.outputs == first.outputs


async def test_new_code_updates_the_function_alone(stacks: Stacks) -> None:
    template = demo_template()
    await stacks.apply(template, artifacts=ARTIFACTS)
    stacks.world.forget()

    await stacks.apply(template.replace("'0123'", "'4567'"), artifacts={("velvetrope-local", "4567"): b"another"})

    assert stacks.world.names() == ["UpdateFunctionCode"]


async def test_the_demo_leaves_nothing_behind(stacks: Stacks) -> None:
    applied = await stacks.apply(demo_template(), artifacts=ARTIFACTS)
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None

    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(applied.stack_id)

    assert stacks.world.things == {}
