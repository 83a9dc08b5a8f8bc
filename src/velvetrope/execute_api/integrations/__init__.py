"""What stands behind a method: functions, fixed answers, HTTP backends, AWS services.

`compile_integration` makes one of a deployment's records; `None` is what this version does not know, and is answered
with 500. Each kind has a file.

Source: API Gateway Developer Guide, "Integrations for REST APIs in API Gateway".
"""

from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.integrations.compiling import CompiledIntegration, compile_integration
from velvetrope.execute_api.integrations.mock import MockIntegration, answer_mock
from velvetrope.execute_api.integrations.proxies import FunctionIntegration, invoke_function

__all__ = [
    "Answer",
    "CompiledIntegration",
    "FunctionIntegration",
    "MockIntegration",
    "answer_mock",
    "compile_integration",
    "invoke_function",
]
