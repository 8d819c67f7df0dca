"""What a truck and a viewer cost is read from three phases a size, and drawn so that it can be read."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from bench.bench_shape import Phase, cost_of
from bench.live.shape_plot import LABEL_APART, plot


def phase(trucks: int, pages: int, share: float) -> Phase:
    """Return ten seconds in which web used a third of ``share`` and the worker the rest."""
    return Phase(trucks, pages, 10.0, share * 10 / 3, share * 20 / 3, trucks * 2, pages * 3, 20.0, 90.0)


def day(trucks: int) -> list[Phase]:
    """Return three phases: 4 % of a core at rest, 0.2 % a truck, 0.1 % a viewer, two of them a truck."""
    alone = 0.04 + 0.002 * trucks
    return [phase(0, 0, 0.04), phase(trucks, 0, alone), phase(trucks, trucks * 2, alone + 0.001 * trucks * 2)]


def test_costs_are_the_steps_between_the_phases() -> None:
    cost = cost_of([*day(50), *day(100), *day(200)])
    assert (cost.at_rest, cost.truck, cost.viewer) == pytest.approx((0.04, 0.002, 0.001))


def test_one_disturbed_size_changes_nothing() -> None:
    disturbed = [phase(0, 0, 0.3), phase(100, 0, 0.31), phase(100, 200, 0.32)]
    cost = cost_of([*day(50), *disturbed, *day(200)])
    assert (cost.at_rest, cost.truck, cost.viewer) == pytest.approx((0.04, 0.002, 0.001))


def test_the_plot_names_every_line_and_no_name_covers_another() -> None:
    drawn = plot([*day(50), *day(100), *day(200)], ["a truck 1 %"])
    ElementTree.fromstring(drawn)
    names = re.findall(r'y="([\d.]+)" fill="#\w+">((?:worker|web), [^<]*)<', drawn)
    assert {name for _, name in names} == {
        f"{process}, {viewers}" for process in ("worker", "web") for viewers in ("2 viewers a truck", "nobody watches")
    }
    heights = sorted(float(height) for height, _ in names)
    assert all(lower - higher >= LABEL_APART for higher, lower in itertools.pairwise(heights))
    assert drawn.count("<polyline") == 4
