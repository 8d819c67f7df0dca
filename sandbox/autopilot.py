"""Who plays whom: the sandbox plays everybody until a person takes over a phone."""

import asyncio


class Autopilot:
    """On for all at first. Typing in a phone takes that phone over until it is given back."""

    def __init__(self, is_on: bool = True) -> None:
        self._is_on = is_on
        self._taken: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def is_on(self) -> bool:
        return self._is_on

    def switch(self, is_on: bool) -> None:
        """Let the sandbox play, or not, everybody whom no person has taken over."""
        self._is_on = is_on
        self._tell()

    def take(self, number: str) -> None:
        """A person plays the owner of ``number`` from now on."""
        self._taken.add(number)
        self._tell()

    def give_back(self, number: str) -> None:
        self._taken.discard(number)
        self._tell()

    def plays(self, number: str) -> bool:
        """Return whether the sandbox plays the owner of ``number``."""
        return self._is_on and number not in self._taken

    def taken(self) -> set[str]:
        return set(self._taken)

    async def wait(self, number: str) -> None:
        """Return once the sandbox plays the owner of ``number``."""
        while not self.plays(number):
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
