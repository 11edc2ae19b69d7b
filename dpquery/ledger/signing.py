"""Ed25519 keys beside the ledger; the only importer of cryptography."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from dpquery.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path

PrivateKey: TypeAlias = Ed25519PrivateKey
PublicKey: TypeAlias = Ed25519PublicKey

_RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def own_key(path: Path) -> PrivateKey:
    """
    Return the private key at *path*; make one, with its ``.pub``, if there is none.

    Raises:
        LedgerError: DPQ562.
    """
    try:
        if not path.exists():
            _make(path)
        key = _read_private(path)
        public = path.with_suffix(".pub")
        if not public.exists():
            _place(public, _public_pem(key), 0o644)
    except OSError:
        raise _unusable(f"{path.name} cannot be read or made") from None
    return key


def read_public(pem: bytes) -> PublicKey:
    """
    Return the public key in a ``.pub`` file.

    Raises:
        LedgerError: DPQ562.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable("what was given is no public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _unusable("what was given is no Ed25519 key")
    return key


def sign(key: PrivateKey, text: str) -> str:
    """Return the signature of *text*, in base64."""
    return base64.b64encode(key.sign(text.encode())).decode()


def public_text(key: PrivateKey | PublicKey) -> str:
    """Return the 32 bytes of the public key, in base64."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes(*_RAW)).decode()


def public_from_text(text: str) -> PublicKey:
    """
    Return what :func:`public_text` wrote.

    Raises:
        ValueError: it is no key.
    """
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))


def holds(key: PublicKey, signature: str, text: str) -> bool:
    """Return whether *signature* was made of *text* with the private half of *key*."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _place(path, pem, 0o600)


def _place(path: Path, content: bytes, mode: int) -> None:
    """Make a file, complete or not at all; one that is there already stays."""
    draft = NamedTemporaryFile(  # noqa: SIM115 -- it is linked, then deleted
        dir=path.parent, prefix=path.name + ".", delete=False
    )
    try:
        with draft:
            os.chmod(draft.name, mode)  # noqa: PTH101 -- the name is a str
            draft.write(content)
            draft.flush()
            os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)
    finally:
        os.unlink(draft.name)  # noqa: PTH108 -- the name is a str


def _read_private(path: Path) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(f"{path.name} holds no private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(f"{path.name} holds no Ed25519 key")
    return key


def _public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _unusable(reason: str) -> LedgerError:
    return LedgerError(
        f"the signing key cannot be used: {reason}",
        code="DPQ562",
        hint="receipts are signed with the .key file beside the ledger, and checked "
        "with its .pub file",
    )
