"""Hashes that tell contents apart: BLAKE2b, 20 bytes, in hex."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def digest_of(data: bytes) -> str:
    """The hash of bytes."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def digest_of_file(path: Path) -> str:
    """The same for a file; empty when it cannot be read."""
    digest = hashlib.blake2b(digest_size=20)
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except (OSError, ValueError):
        return ""
    return digest.hexdigest()
