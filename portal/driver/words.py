"""What the driver reads and taps: reasons, what a step says. In English; templates translate."""

from tracking.taps import FailureReason

FAILURE_LABELS = {
    FailureReason.NOBODY_HOME: "Nobody home",
    FailureReason.NO_ACCESS: "No access to the door",
    FailureReason.WRONG_ADDRESS: "Address is wrong",
    FailureReason.REFUSED: "Refused by the recipient",
    FailureReason.DAMAGED: "Goods are damaged",
    FailureReason.NOT_IN_VAN: "Not in the van",
    FailureReason.OUT_OF_TIME: "Ran out of time",
    FailureReason.OTHER: "Something else",
}
NOT_LOADED_REASONS = ("Not at the depot", "Damaged", "Does not fit")
# Said on the page that follows a step, by the word in its address.
SAID = {
    "loaded": "Loaded: %(what)s",
    "already-loaded": "Already loaded: %(what)s",
    "unloaded": "Taken back: %(what)s is not ticked any more.",
    "not-loaded": "Dispatch can see that this one is missing: %(what)s",
    "unknown": "This is not on your route.",
    "started": "The route has started. Drive safely.",
    "undone": "Undone: %(what)s",
    "reopened": "The route is open again.",
}
