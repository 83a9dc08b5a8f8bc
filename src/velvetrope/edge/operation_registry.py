"""Which method of ours answers which operation of which service.

    operations = OperationRegistry()
    operations.register("sts", StsOperations(...))
    found = operations.find(SERVICES["sts"], target)

A model is read when the first call of its service comes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from velvetrope.edge import errors
from velvetrope.edge.finding import Target
from velvetrope.edge.models import Operation, load_service_model
from velvetrope.edge.parameters import SignatureContract
from velvetrope.edge.quick_calls import CALLS_BEFORE, QuickReader
from velvetrope.edge.quick_types import parameters_type
from velvetrope.edge.services import SERVICES, WireService
from velvetrope.operations import implemented_operations

__all__ = ["FoundOperation", "OperationRegistry"]


@dataclass(slots=True)
class FoundOperation:
    """An operation that its service has and that we implement, and what its calls leave behind for later ones."""

    service: WireService
    operation: Operation
    method: Callable[..., Awaitable[object]]
    contract: SignatureContract
    action: str
    """As decision records name it: `sts:AssumeRole`."""
    calls: int = 0
    reader: QuickReader | None = None
    accepted: object = None
    """The type of wire dicts that the model accepts, if calls are many."""

    def count(self) -> None:
        """One more call over HTTP."""
        self.calls += 1
        if self.calls == CALLS_BEFORE:
            shape = self.operation.input
            self.accepted = None if shape is None else parameters_type(shape)
            if self.service.protocol == "json":
                self.reader = QuickReader(self.operation, self.contract)


class OperationRegistry:
    """See the module."""

    def __init__(self) -> None:
        self.methods: dict[str, dict[str, Callable[..., Awaitable[object]]]] = {}
        """By service and name in snake case."""
        self._called: dict[tuple[str, str], FoundOperation] = {}
        """What has been called, by service and wire name."""

    def register(self, service: str, *owners: object) -> None:
        """Serve the operations of `owners` under `service`, botocore's name.

        Raises:
            ValueError: a service we cannot speak for, or an operation that is there already.
        """
        if service not in SERVICES:
            raise ValueError(f"{service} has no row in edge.services")
        operations = self.methods.setdefault(service, {})
        for owner in owners:
            for name, method in implemented_operations(owner).items():
                if name in operations:
                    raise ValueError(f"{service} has two operations called {name}")
                operations[name] = method

    def check(self) -> list[str]:
        """Everything that the models have against our methods: unknown operations, and parameters no input has.

        For tests and `velvetrope` builds; a start of the server does not load the models.
        """
        found = []
        for service, operations in self.methods.items():
            model = load_service_model(service, SERVICES[service].api_version)
            for snake_name, method in operations.items():
                name = model.operation_names.get(snake_name)
                if name is None:
                    found.append(f"{service} has no operation {snake_name}")
                    continue
                operation = model.operation(name)
                known = operation.input.by_snake_name if operation.input is not None else {}
                contract = SignatureContract(name, method)
                found += [f"{service}:{name} has no member {p}" for p in contract.annotations if p not in known]
        return found

    def implemented(self) -> Mapping[str, tuple[str, ...]]:
        """The wire names of what is implemented, by service. Loads the models."""
        return {
            service: tuple(
                sorted(
                    load_service_model(service, SERVICES[service].api_version).operation_names[n] for n in operations
                )
            )
            for service, operations in self.methods.items()
        }

    def method(self, service: str, operation: str) -> Callable[..., Awaitable[object]]:
        """What answers an operation, by its wire name.

        Raises:
            KeyError: it is not implemented.
        """
        model = load_service_model(service, SERVICES[service].api_version)
        return self.methods[service][model.operation(operation).snake_name]

    def find(self, service: WireService, target: Target) -> FoundOperation:
        """What a call means.

        Raises:
            ServiceError: the service has no such operation, or we have not.
        """
        called = self._called.get((service.name, target.operation))
        if called is not None:
            return called
        model = load_service_model(service.name, service.api_version)
        if not model.has_operation(target.operation):
            message = ""
            if service.protocol == "query":
                version = target.version or "NO_VERSION_SPECIFIED"
                message = f"Could not find operation {target.operation} for version {version}"
            elif service.protocol == "rest-json":
                # AWS's REST services say so of a path of theirs that they do not know (with which code is UNVERIFIED).
                message = "Unable to determine service/operation name to be authorized"
            raise errors.unknown_operation(service.protocol, message)
        operation = model.operation(target.operation)
        implementation = self.methods.get(service.name, {}).get(operation.snake_name)
        if implementation is None:
            raise errors.not_supported(service.name, operation.name)
        contract = SignatureContract(operation.name, implementation)
        called = FoundOperation(service, operation, implementation, contract, f"{service.name}:{operation.name}")
        self._called[service.name, operation.name] = called
        return called
