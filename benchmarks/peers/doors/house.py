"""A house: what a peer has of each kind, set up when a door first asks for it."""

import functools

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors.deployed import DeployedGateway
from benchmarks.peers.doors.door import HasNone
from benchmarks.peers.doors.gateway import Gateway
from benchmarks.peers.doors.identity_pools import IdentityPools
from benchmarks.peers.doors.principals import Principals
from benchmarks.peers.doors.user_pools import UserPools

__all__ = ["AwsHouse", "GatewayOnly", "House", "UserPoolsOnly"]


class House:
    """What a peer leaves as it is here, it does not have."""

    @property
    def users(self) -> UserPools:
        raise HasNone("no user pools")

    @property
    def identities(self) -> IdentityPools:
        raise HasNone("no identity pools")

    @property
    def principals(self) -> Principals:
        raise HasNone("no IAM, no STS")

    @property
    def gateway(self) -> Gateway:
        raise HasNone("no API Gateway")


class AwsHouse(House):
    """The house of a peer that takes AWS's operations; which of them, it says itself."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    @functools.cached_property
    def users(self) -> UserPools:
        return UserPools(self.aws)

    @functools.cached_property
    def identities(self) -> IdentityPools:
        return IdentityPools(self.aws, self.users, self.principals)

    @functools.cached_property
    def principals(self) -> Principals:
        return Principals(self.aws)

    @functools.cached_property
    def gateway(self) -> Gateway:
        return DeployedGateway(self.aws, self.users, self.principals)


class UserPoolsOnly(House):
    """The house of a peer that takes the operations of user pools and no others."""

    def __init__(self, aws: Aws) -> None:
        self._users = UserPools(aws)

    @property
    def users(self) -> UserPools:
        return self._users


class GatewayOnly(House):
    """The house of a peer that serves routes, and takes no operations of AWS."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def gateway(self) -> Gateway:
        return self._gateway
