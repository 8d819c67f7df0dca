"""Goals of a measurement, each with one plain verdict."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Compare = Callable[[float, float], bool]


@dataclass(frozen=True)
class Goal:
    """One figure; without a limit it is told and not judged."""

    words: str
    value: float
    limit: float | None = None
    stretch: float | None = None
    reaches: Compare = operator.ge

    @property
    def is_met(self) -> bool:
        """True unless there is a limit that was not reached."""
        return self.limit is None or self.reaches(self.value, self.limit)

    def told(self) -> str:
        """Return words, figure, verdict and limits as a line."""
        verdict, limits = "", ""
        if self.limit is not None:
            sign = ">=" if self.reaches(1, 0) else "<="
            limits = f"{sign} {self.limit:g}" + (f", stretch {self.stretch:g}" if self.stretch is not None else "")
            is_stretched = self.stretch is not None and self.reaches(self.value, self.stretch)
            verdict = "stretch" if is_stretched else "met" if self.is_met else "MISSED"
        return f"{self.words:55} {self.value:9.3g}  {verdict:8} {limits}".rstrip()


def at_least(words: str, value: float, limit: float, *, stretch: float | None = None) -> Goal:
    """Return a goal that a large figure meets."""
    return Goal(words, value, limit, stretch, operator.ge)


def at_most(words: str, value: float, limit: float, *, stretch: float | None = None) -> Goal:
    """Return a goal that a small figure meets."""
    return Goal(words, value, limit, stretch, operator.le)


def tell(goals: Sequence[Goal]) -> bool:
    """Print each goal and how many were met; True when all were."""
    for goal in goals:
        print(goal.told())
    judged = [goal for goal in goals if goal.limit is not None]
    met = sum(goal.is_met for goal in judged)
    print(f"goals met: {met} of {len(judged)}")
    return met == len(judged)
