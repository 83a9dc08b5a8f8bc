"""What stands behind a method: functions, fixed answers, HTTP backends, AWS services.

`compile_integration` makes one of a deployment's records. What this version does not understand is `Unusable`, and
answered with 500. Each kind has a file.

Source: API Gateway Developer Guide, "Integrations for REST APIs in API Gateway".
"""

from velvetrope.execute_api.integrations.answers import Answer, with_length
from velvetrope.execute_api.integrations.compiling import CompiledIntegration, Unusable, compile_integration
from velvetrope.execute_api.integrations.doors import Doors
from velvetrope.execute_api.integrations.mock import MockIntegration, answer_mock
from velvetrope.execute_api.integrations.proxies import FunctionIntegration, invoke_function

__all__ = [
    "Answer",
    "CompiledIntegration",
    "Doors",
    "FunctionIntegration",
    "MockIntegration",
    "Unusable",
    "answer_mock",
    "compile_integration",
    "invoke_function",
    "with_length",
]
