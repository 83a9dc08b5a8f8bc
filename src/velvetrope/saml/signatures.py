"""Who signed a SAML response or assertion: XML signatures, and none of their freedom.

SAML signs one way only (saml-core-2.0-os section 5.4): an enveloped signature that is the child of what it signs, with
one reference to that element's id, exclusive canonicalization and no other transform. That form is checked before the
cryptography, and `verified_element` gives back the element that was signed, parsed anew from the very bytes that were
digested. Whoever reads on from there cannot be shown something else than what the key vouched for, which is what
signature wrapping needs (Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be", 2012, XSW 1 to 8).

Algorithms are ours to choose: RSA (PKCS #1 v1.5 or PSS) and ECDSA with SHA-2. SHA-1 is refused, although old identity
providers still use it: its collisions can be bought. Keys in the signature's own `KeyInfo` are never used.
"""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from velvetrope.saml.documents import SIGNATURE, Element, child_of, children_of
from velvetrope.saml.errors import SignatureInvalid

__all__ = ["is_signed", "verified_element"]

_SIGNATURE_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_MESSAGE: Final = "Response signature invalid"


def is_signed(element: Element) -> bool:
    """Whether there is a signature in the place where SAML has it. It proves nothing yet."""
    return bool(children_of(element, f"{SIGNATURE}Signature"))


def verified_element(root: Element, element: Element, certificates: Sequence[x509.Certificate]) -> Element:
    """What the signature of `element` covers, parsed from the bytes that were signed. `element` is `root` or its child.

    Raises:
        SignatureInvalid: there is none, it has another form than SAML's, or none of the keys made it.
    """
    signature = child_of(element, f"{SIGNATURE}Signature")
    if signature is None:
        raise SignatureInvalid(_MESSAGE, detail="there is no signature")
    _check_form(element, signature)
    location = "./" if element is root else f"./{element.tag}/"
    why = ""
    for certificate in certificates:
        configuration = SignatureConfiguration(
            require_x509=True,
            location=location,
            expect_references=1,
            signature_methods=_SIGNATURE_METHODS,
            digest_algorithms=_DIGESTS,
            # A certificate is no more than its key here (see `metadata`); the library would hold it against the clock.
            verification_time=certificate.not_valid_before_utc,
        )
        try:
            verified = XMLVerifier().verify(root, x509_cert=certificate, expect_config=configuration)
        except (
            SignXMLException,
            etree.LxmlError,
            UnsupportedAlgorithm,
            ValueError,
            TypeError,
            AttributeError,
        ) as error:
            # The library lets some malformed values through to what chokes on them: those are no signatures either.
            why = why or f"{type(error).__name__}: {error}"
            continue
        return _signed(element, verified)
    raise SignatureInvalid(_MESSAGE, detail=why or "there is no key to verify it with")


def _check_form(element: Element, signature: Element) -> None:
    """The signature is one that SAML makes: nothing in it is left to interpretation."""
    signed_info = child_of(signature, f"{SIGNATURE}SignedInfo")
    references = [] if signed_info is None else children_of(signed_info, f"{SIGNATURE}Reference")
    if signed_info is None or len(references) != 1 or len(list(signature.iter(f"{SIGNATURE}Reference"))) != 1:
        raise SignatureInvalid(_MESSAGE, detail="a signature has one reference")
    if list(signature.iter(f"{SIGNATURE}Object")):
        raise SignatureInvalid(_MESSAGE, detail="a signature has no objects")
    identifier = element.get("ID")
    if not identifier or references[0].get("URI") != f"#{identifier}":
        raise SignatureInvalid(_MESSAGE, detail="the signature is about something else than what it stands in")
    methods = [found.get("Algorithm") for found in signed_info.iter(f"{SIGNATURE}CanonicalizationMethod")]
    transforms = [found.get("Algorithm") for found in references[0].iter(f"{SIGNATURE}Transform")]
    if methods != [_EXCLUSIVE] or transforms not in ([_ENVELOPED, _EXCLUSIVE], [_ENVELOPED]):
        raise SignatureInvalid(
            _MESSAGE, detail="transforms are the enveloped signature and exclusive canonicalization without comments"
        )


def _signed(element: Element, verified: VerifyResult | list[VerifyResult]) -> Element:
    found = None if isinstance(verified, list) else verified.signed_xml
    if found is None or found.tag != element.tag or found.get("ID") != element.get("ID"):
        raise SignatureInvalid(_MESSAGE, detail="the signature is about something else than what it stands in")
    return found
