"""What botocore's models say, read once: reading one takes longer than most of the tests that look at it."""

from functools import cache

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

__all__ = ["operation_models", "service_model"]


@cache
def service_model(service: str) -> ServiceModel:
    """The newest model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operation_models(service: str) -> dict[str, OperationModel]:
    """Its operations, by the names of boto3's methods."""
    model = service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}
