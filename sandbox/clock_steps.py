"""The machine's clock, set forward and back by an hour while the product runs.

libfaketime of Debian 12 (0.9.10) breaks ``time.sleep`` of Python 3.11 as soon as the monotonic clock is left alone, so
the step is made inside Python: see ``sandbox/stepping``. Only what an ``Instance`` starts lives in the stepped time.
"""

import os
import struct
from pathlib import Path

HOUR_S = 3600.0


class ClockSteps:
    """One clock for all processes that get ``environment``. ``step_s`` is how far it is from the machine's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "step"
        self.step_s = 0.0
        self._path.write_bytes(struct.pack("=d", 0.0))

    def environment(self) -> dict[str, str]:
        """Return the variables that make a Python process live by this clock."""
        stepping = str(Path(__file__).parent / "stepping")
        before = os.environ.get("PYTHONPATH", "")
        return {"STEPPED_CLOCK": str(self._path), "PYTHONPATH": f"{stepping}:{before}" if before else stepping}

    def set_to(self, step_s: float) -> None:
        """Set the clock; every process sees it at its next look."""
        self.step_s = step_s
        with self._path.open("r+b") as file:
            file.write(struct.pack("=d", step_s))

    def strike(self) -> bool:
        """Step by an hour: forward when the clock is right, else back to what is right."""
        self.set_to(0.0 if self.step_s else HOUR_S)
        return True
