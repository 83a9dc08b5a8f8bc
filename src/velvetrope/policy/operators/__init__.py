"""Every condition operator there is, one file per family. What is not in `OPERATORS` is refused when saved."""

from velvetrope.policy.operators.addresses import ADDRESS_OPERATORS
from velvetrope.policy.operators.arns import ARN_OPERATORS
from velvetrope.policy.operators.binaries import BINARY_OPERATORS
from velvetrope.policy.operators.booleans import BOOLEAN_OPERATORS
from velvetrope.policy.operators.dates import DATE_OPERATORS
from velvetrope.policy.operators.nulls import NULL, NULL_OPERATORS
from velvetrope.policy.operators.numerics import NUMERIC_OPERATORS
from velvetrope.policy.operators.operator import Matcher, Operator
from velvetrope.policy.operators.strings import STRING_OPERATORS

__all__ = ["NULL", "OPERATORS", "Matcher", "Operator"]

OPERATORS = {
    operator.name: operator
    for family in (
        STRING_OPERATORS,
        NUMERIC_OPERATORS,
        DATE_OPERATORS,
        BOOLEAN_OPERATORS,
        BINARY_OPERATORS,
        ADDRESS_OPERATORS,
        ARN_OPERATORS,
        NULL_OPERATORS,
    )
    for operator in family
}
