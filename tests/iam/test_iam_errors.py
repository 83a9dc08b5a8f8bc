"""The error classes against botocore's model: the codes on the wire, and the statuses that go with them."""

import inspect
from typing import Any

from botocore.loaders import Loader

from velvetrope.errors import ServiceError
from velvetrope.iam import errors


def _modelled() -> dict[str, int]:
    shapes: dict[str, Any] = Loader().load_service_model("iam", "service-2")["shapes"]
    found = [shape["error"] for shape in shapes.values() if shape.get("exception") and "error" in shape]
    return {error["code"]: error["httpStatusCode"] for error in found}


def test_every_error_has_the_code_and_the_status_of_the_model() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, ServiceError)]
    ours = {cls.code: cls.http_status for cls in classes if cls is not ServiceError}
    common = {"ValidationError": 400}

    assert ours
    for code, status in ours.items():
        assert status == {**_modelled(), **common}[code], code


def test_the_classes_bear_the_codes_as_names() -> None:
    for name in errors.__all__:
        assert getattr(errors, name).code == name
