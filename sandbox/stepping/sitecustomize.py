"""Python imports this by itself where this folder is on PYTHONPATH: the machine's clock, set forward or back.

``STEPPED_CLOCK`` names a file of eight bytes, the step in seconds as a double, which may change at any moment. Only the
time of day moves, as when an operator or NTP sets it; the monotonic clock does not.
"""

import mmap
import os
import struct
import time
from pathlib import Path

_told = os.environ.get("STEPPED_CLOCK")
if _told:
    with Path(_told).open("rb") as file:
        _map = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    _true_time = time.time  # noqa: TID251 - this stands in for the machine

    def _stepped() -> float:
        step_s: float = struct.unpack_from("=d", _map)[0]
        return _true_time() + step_s

    time.time = _stepped  # noqa: TID251
