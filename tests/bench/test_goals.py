"""A goal has one verdict, and the last line says how many were met."""

import pytest

from bench.live.goals import Goal, at_least, at_most, tell


@pytest.mark.parametrize(
    ("value", "verdict", "is_met"), [(4.9, "MISSED", False), (5.0, "met", True), (8.0, "stretch", True)]
)
def test_a_large_figure_meets_a_goal_at_its_limit(value: float, verdict: str, is_met: bool) -> None:
    goal = at_least("connects", value, 5, stretch=8)
    assert goal.is_met is is_met
    assert verdict in goal.told()
    assert ">= 5, stretch 8" in goal.told()


@pytest.mark.parametrize(("value", "is_met"), [(0, True), (1, False)])
def test_a_small_figure_meets_a_goal_at_its_limit(value: float, is_met: bool) -> None:
    assert at_most("errors", value, 0).is_met is is_met


def test_what_has_no_limit_is_told_and_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert not tell([at_least("a", 1, 2), at_most("b", 1, 2), Goal("c", 3.5)])
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "goals met: 1 of 2"
    assert "3.5" in told[2]
    assert "met" not in told[2].lower()
