"""What a fix costs grows in line with the stops left, and stays under the goal for a long route."""

from bench.bench_fix_cost import GOAL_MS, costs_ms, slope


def middle_ms(stops: int) -> float:
    """Return the best of three medians: what others do on this machine only adds."""
    return min(sorted(costs_ms(stops, 20))[10] for _ in range(3))


def test_a_fix_of_a_route_of_150_stops_costs_less_than_the_goal() -> None:
    assert middle_ms(150) <= GOAL_MS


def test_twice_the_stops_cost_no_more_than_twice_and_a_bit() -> None:
    assert middle_ms(300) <= 3.0 * middle_ms(150)


def test_the_line_through_points_on_a_line_is_that_line() -> None:
    rise, base = slope([(10, 1.2), (50, 2.0), (100, 3.0)])
    assert (round(rise, 6), round(base, 6)) == (0.02, 1.0)
