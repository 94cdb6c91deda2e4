"""Small things about files that finding, importing and downloading share."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

_BLOCK_BYTES = 1 << 20
PART_SUFFIX = ".part"  # of files that are not whole yet; never taken for a checkpoint


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def copy_into_place(source: Path, target: Path) -> None:
    """Copies a file so that it appears under its new name only when it is whole and on the disk.

    Another file of that name is set aside, at the last moment.
    """
    temporary = target.with_name(f".{secrets.token_hex(8)}{PART_SUFFIX}")
    try:
        with source.open("rb") as reading, temporary.open("xb") as writing:
            while block := reading.read(_BLOCK_BYTES):
                writing.write(block)
            writing.flush()
            os.fsync(writing.fileno())
        if target.exists():
            set_aside(target)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Renames a file that has to make room, so that nothing of the user's is lost: `name.pth.old`, `.old2`, ..."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.old{number if number > 1 else ''}")
        if not aside.exists():
            return path.rename(aside)
        number += 1


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Time and length of a file, which tell it from another one in its place; None when there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
