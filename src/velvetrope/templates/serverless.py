"""AWS::Serverless-2016-10-31: expands a SAM template with AWS's own translator.

The translator asks boto3 for a region where none is given; we hand it a session that has one and nothing else, so that
no environment variable is read. Names of AWS's managed policies are left as they were written: there is no list of
them here, and whoever is handed a name that is no ARN refuses it.

Importing the translator takes half a second, hence the import inside the function; a second call takes about 20 ms.
It keeps its region in a class variable, so calls for different regions must not overlap.

Source: AWS SAM specification; https://github.com/aws/serverless-application-model.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from velvetrope.templates.document import Template, template_from_document
from velvetrope.templates.errors import TransformFailed

__all__ = ["expand_sam"]


@dataclass(frozen=True)
class _Session:
    """As much of a boto3 session as the translator looks at."""

    region_name: str


class _NoToggles:
    """Every experiment of the translator off; its own default says so in a warning each time."""

    def is_enabled(self, feature_name: str) -> bool:  # noqa: ARG002  the translator's signature
        return False


def expand_sam(template: Template, region: str, parameters: Mapping[str, str] | None = None) -> Template:
    """`template` without its Transform: every AWS::Serverless resource replaced by what it stands for.

    A template that declares no transform is given back as it is. `parameters` are the values that the stack is given;
    SAM looks at them where a name or a hash depends on one.

    Raises:
        TransformFailed: with SAM's own findings.
        InvalidTemplate: what came out is no template.
    """
    if not template.is_serverless:
        return template
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    document: dict[str, Any] = copy.deepcopy(dict(template.document))
    document["Transform"] = "AWS::Serverless-2016-10-31"
    values: dict[str, Any] = dict(parameters or {})
    to_py27_compatible_template(document, values)
    metrics = Metrics("ServerlessTransform", DummyMetricsPublisher())
    try:
        translator = Translator(None, Parser(), boto_session=_Session(region), metrics=metrics)
        expanded = translator.translate(
            document, parameter_values=values, feature_toggle=_NoToggles(), get_managed_policy_map=dict
        )
    except InvalidDocumentException as error:
        findings = " ".join([error.message, *(cause.message for cause in error.causes)])
        raise TransformFailed(f"Transform AWS::Serverless-2016-10-31 failed with: {findings}") from None
    finally:
        metrics.publish()  # to nobody; it warns about what it was not asked to publish
    # Its marked strings are a subclass of str; a copy made of plain ones is what everybody else can handle.
    return template_from_document(_plain(undo_mark_unicode_str_in_template(expanded)))


def _plain(value: Any) -> Any:  # noqa: ANN401  JSON of an untyped library, on its way into the parser
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value
