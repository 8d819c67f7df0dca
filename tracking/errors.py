"""The base of what this package refuses, and the refusals more than one of its modules raises."""


class TrackingError(Exception):
    """Something about routes, deliveries or links could not be done. ``str(error)`` is a sentence for people."""


class WrongMove(TrackingError):
    """A status does not allow this. ``state`` is the current status, ``target`` the one asked for."""

    def __init__(self, *, state: str, target: str, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state
        self.target = target


class NotFound(TrackingError):
    """Nothing has this id. ``kind`` says what was looked for."""

    def __init__(self, kind: str, wanted: str) -> None:
        super().__init__(f"There is no {kind} with this id.")
        self.kind = kind
        self.wanted = wanted
