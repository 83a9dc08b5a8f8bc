"""Our error classes against botocore's model of Lambda."""

import gzip
import inspect
import json
from pathlib import Path

import botocore
import pytest

from velvetrope.errors import ServiceError
from velvetrope.functions import errors

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, ServiceError) and found is not ServiceError
]

NOT_MODELLED = {"AccessDeniedException": 403, "RequestEntityTooLargeException": 413}
"""Codes that are on the wire but not in the model, with the status that they have there."""


@pytest.mark.parametrize("error", CLASSES)
def test_every_code_has_the_status_that_the_model_gives_it(error: type[ServiceError]) -> None:
    folder = Path(inspect.getfile(botocore)).parent / "data" / "lambda" / "2015-03-31"
    shapes = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))["shapes"]

    expected = NOT_MODELLED.get(error.code) or shapes[error.code]["error"]["httpStatusCode"]

    assert error.http_status == expected
    assert (error.code in shapes) == (error.code not in NOT_MODELLED)
