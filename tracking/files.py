"""The folder of photos and signatures: files named by the hash of their content, written once and whole."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileStore:
    """Keeps files under ``root/ab/abcd...``. The same content is one file; a file is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes) -> str:
        """Store ``data`` durably and return its SHA-256, hexadecimal. Raises ``OSError`` when the disk refuses."""
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256)
        if target.exists():
            return sha256
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
        return sha256

    def path(self, sha256: str) -> Path:
        """Return where the file with this hash is, or would be; raises ``ValueError`` for what is no SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256 in hexadecimal")
        return self._root / sha256[:2] / sha256

    def remove(self, sha256: str) -> bool:
        """Take a file away for good; False when it was not there. Whoever calls knows that nothing names it."""
        target = self.path(sha256)
        if not target.exists():
            return False
        target.unlink()
        _sync_folder(target.parent)
        return True


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut (fsync(2): the folder needs its own)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
