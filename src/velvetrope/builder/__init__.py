"""Write routes, and say who may call them.

    from velvetrope.builder import Api, IdentityPool, UserPool

    users = UserPool("people")
    web = users.client("web")
    identities = IdentityPool("people", clients=[web], allow_guests=True)
    api = Api("greetings")

    @api.get("/hello", authorization_type="AWS_IAM", allow=[identities.authenticated])
    def hello():
        return {"message": "hello"}

This package ships inside your function: it needs the standard library and Powertools for AWS Lambda, and nothing else
of velvetrope. Declaring does nothing by itself: `velvetrope synth` reads the declarations and prints a SAM template,
and inside a function the same `api` object answers the events that API Gateway sends.
"""

from velvetrope.builder.api import Api, Route, UsagePlan
from velvetrope.builder.authorizers import Authorizer, allow, deny
from velvetrope.builder.pools import AppClient, IdentityPool, IdentityPoolRole, MachineClient, ResourceServer, UserPool
from velvetrope.builder.services import Database, Function, Queue

__all__ = [
    "Api",
    "AppClient",
    "Authorizer",
    "Database",
    "Function",
    "IdentityPool",
    "IdentityPoolRole",
    "MachineClient",
    "Queue",
    "ResourceServer",
    "Route",
    "UsagePlan",
    "UserPool",
    "allow",
    "deny",
]
