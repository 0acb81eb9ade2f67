"""The headers of a request, with a signature by the rules of Standard Webhooks 1.0. Pure.

The signed text is `{id}.{timestamp}.{body}`, the signature its HMAC-SHA256 in base64. The id is the
same whenever a question is asked again, and has no full stop, whatever is in the id of an event.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from hmac import digest
from typing import Final
from urllib.parse import quote

_PREFIX: Final = "whsec_"
_ASYMMETRIC: Final = ("whsk_", "whpk_")
_LEAST_BYTES: Final = 24
_ADVICE: Final = "make one with: echo whsec_$(openssl rand -base64 32)"


def keys_in(secret: str) -> tuple[bytes, ...]:
    """The keys of a secret: one, or several that are separated by blanks.

    A text behind `whsec_` is base64; any other text is a key as it stands. Raises ValueError.
    """
    keys = tuple(map(_key, secret.split()))
    if not keys:
        raise ValueError(f"is blank: {_ADVICE}")
    return keys


def headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that name and sign a request. Without keys, the signature is left out."""
    named = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{b64encode(digest(key, signed, 'sha256')).decode()}" for key in keys]
    return {**named, "webhook-signature": " ".join(signatures)} if signatures else named


def message_id(key: str) -> str:
    """The id of the requests that ask the question with this key."""
    return f"msg_{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def idempotency_key(key: str) -> str:
    """The key as the value of a header: the event id, with odd characters percent-encoded."""
    return quote(key, safe="$:!@+=~._-/", errors="replace")


def _key(secret: str) -> bytes:
    if secret.startswith(_ASYMMETRIC):
        raise ValueError(f"is a key of the scheme with two keys: {_ADVICE}")
    key = _decoded(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()
    if len(key) < _LEAST_BYTES:
        raise ValueError(f"is shorter than {_LEAST_BYTES} bytes: {_ADVICE}")
    return key


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError(f"is not base64 behind {_PREFIX}: copy it again, or {_ADVICE}") from None
