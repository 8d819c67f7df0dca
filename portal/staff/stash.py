"""A route file between its preview and the yes to it: kept in the data folder for half an hour, named by its hash."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from tracking.errors import TrackingError

KEPT_S = 30 * 60.0  # machine time; our choice: long enough to read a preview and to fetch a colleague


class StashExpired(TrackingError):
    """The file is not kept any more, or this is not a token of ours."""

    def __init__(self) -> None:
        super().__init__("That preview is too old. Please upload the file again.")


@dataclass(frozen=True, slots=True)
class Stashed:
    """What was kept, and the fingerprint of what the preview promised to do."""

    data: bytes
    fingerprint: str
    token: str


class Stash:
    """Keeps files for one staff account at a time. ``keys``: oldest first, as in the settings."""

    def __init__(self, folder: Path, keys: tuple[str, ...]) -> None:
        self._folder = folder
        self._signer = URLSafeSerializer(list(keys), salt="staff-import.v1")

    def put(self, data: bytes, *, fingerprint: str, staff_id: str, elapsed_s: float) -> str:
        """Keep ``data`` and return the token that fetches it again. What is too old is swept out."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep(elapsed_s)
        name = hashlib.sha256(data).hexdigest()
        half = self._folder / f"{name}.{os.getpid()}.half"
        half.write_bytes(data)
        half.replace(self._folder / name)
        os.utime(self._folder / name, (elapsed_s, elapsed_s))
        return str(self._signer.dumps([name, fingerprint, staff_id, elapsed_s]))

    def get(self, token: str, *, staff_id: str, elapsed_s: float) -> Stashed:
        """Return the file of a token; raises ``StashExpired``."""
        try:
            name, fingerprint, owner, kept_s = self._signer.loads(token)
            data = (self._folder / name).read_bytes()
        except (BadSignature, OSError, ValueError, TypeError):
            raise StashExpired from None
        if owner != staff_id or elapsed_s - kept_s > KEPT_S or hashlib.sha256(data).hexdigest() != name:
            raise StashExpired
        return Stashed(data, fingerprint, token)

    def drop(self, stashed: Stashed) -> None:
        """Forget a file that was applied."""
        (self._folder / hashlib.sha256(stashed.data).hexdigest()).unlink(missing_ok=True)

    def _sweep(self, elapsed_s: float) -> None:
        for path in self._folder.iterdir():
            if elapsed_s - path.stat().st_mtime > KEPT_S:
                path.unlink(missing_ok=True)
