"""HTTP: which room a request is for, how AWS's protocols spell calls and answers, and what strangers may send.

`EdgeApp` is the ASGI app, `OperationDispatcher` the control plane behind it, `SignatureVerifier` proves who called.
The listener (`velvetrope.edge.listener`) and the certificates (`velvetrope.edge.tls`) are imported by name, so that
tools which only dispatch pay for neither.
"""

from velvetrope.edge.app import EdgeApp
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.judging import JudgedOperation, OperationJudge
from velvetrope.edge.signatures import SignatureVerifier

__all__ = [
    "EdgeApp",
    "JudgedOperation",
    "OperationDispatcher",
    "OperationJudge",
    "SignatureVerifier",
]
