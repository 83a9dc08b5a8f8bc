"""Who decides about callers with a token: user pools (COGNITO_USER_POOLS) and functions (CUSTOM).

`compile_authorizer` makes one of a deployment's records; `Authorizers.vouch` asks it about a request and gives back
what it says of the caller, or raises the refusal. Whether the policies that a function returns let the caller in is not
decided here.

Source: API Gateway Developer Guide, "Use API Gateway Lambda authorizers", "Control access to REST APIs using Amazon
Cognito user pools as an authorizer".
"""

from velvetrope.execute_api.authorizers.asking import Authorizers
from velvetrope.execute_api.authorizers.compiling import CompiledAuthorizer, compile_authorizer

__all__ = ["Authorizers", "CompiledAuthorizer", "compile_authorizer"]
