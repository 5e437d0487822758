"""The honest verifier: our credentials and anybody's, every check told apart.

Door: :func:`verify`. It reads Open Badges 3.0, endorsements and Comprehensive Learner Records 2.0,
as JSON with Data Integrity proofs, as VC-JWT, baked into a PNG or SVG, attached to a PDF, or where
the QR code on a photo or a PDF leads; it looks into every
endorsement and every badge of a record, which foreign verifiers do not. It never fetches a context.
The names of issuers and the addresses of status lists are asked through the function that the
caller hands in: build it with :func:`guarded`, or answer from memory in a test.

Names of checks, in their order: ``document`` (it could be read: one meaning, not damaged),
``limits`` (it is not made to exhaust us), ``contexts``, ``terms`` (what is shown is what is
signed), ``form``, ``recipient``, ``key`` (it is the issuer's), ``purpose``, ``proof`` (the
signature), ``token`` (header and claims of a JWT), ``signed-at``, ``valid-from``, ``valid-until``,
``status`` (revoked or suspended), ``schema``, ``refresh``; inside others also ``endorses``.
"""

from __future__ import annotations

from datetime import datetime

from app.credentials.verify.limits import MAX_FILE_BYTES, Lookup, OverLimitError, Run
from app.credentials.verify.lookups import guarded
from app.credentials.verify.report import Check, Report, Result
from app.errors import Invalid, UpstreamError
from app.words import as_said, say

__all__ = ["MAX_FILE_BYTES", "Check", "Lookup", "Report", "Result", "guarded", "say", "verify"]


def verify(
    document: bytes, lookup: Lookup, now: datetime, *, recipient: str | None = None
) -> Report:
    """Everything that can be said about ``document``. Raises nothing on any input.

    :param document: the file as it came: JSON, a compact JWT, a PNG, an SVG, a photo (JPEG, WebP)
        or a PDF; at most :data:`MAX_FILE_BYTES`.
    :param lookup: gives the bytes at an https address or raises ``UpstreamError``; called at most
        25 times.
    :param now: aware; what dates are compared with.
    :param recipient: an e-mail address or other identifier; if given, the check ``recipient``
        also fails for a credential of somebody else.
    """
    from app.credentials.verify import (  # noqa: PLC0415 - large, and idle without it
        carriers,
        credential,
        linked_data,
    )

    run = Run(lookup, now, recipient)
    checks: list[Check] = []
    sealed = None
    try:
        sealed = carriers.read(document, run)
        checks.append(
            Check("document", Result.PASS, say("It is %(carrier)s.", carrier=sealed.carrier))
        )
        linked_data.screen(sealed)
        credential.screen(sealed.document)
        checks.append(Check("limits", Result.PASS, say("It is neither too large nor too deep.")))
        checks.extend(credential.check(sealed, run))
    except Invalid as problem:
        checks.append(Check("document", Result.FAIL, as_said(problem.message)))
    except UpstreamError as problem:
        why = say("Where its QR code leads could not be read: %(problem)s", problem=problem.message)
        checks.append(Check("document", Result.UNKNOWN, why))
    except OverLimitError as problem:
        checks = [check for check in checks if check.name != "limits"]
        checks.append(Check("limits", Result.UNKNOWN, problem.why))
    return Report(tuple(checks), sealed.document if sealed else None)
