"""A few rows of the table in docs/crash-points.md, played again; ``make crash-table`` plays them all and keeps it."""

import random
from pathlib import Path

import pytest

from bench.crash_points import play_all
from bench.crash_table import rows, title

TABLE = Path(__file__).parents[2] / "docs" / "crash-points.md"
PLAYED = 6


def told() -> dict[tuple[str, str, str], str]:
    """Return what the table says, by section, answer and point."""
    found, section = {}, ""
    for line in TABLE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and section and cells[1] != "the sender dies" and not cells[0].startswith("---"):
            found[section, cells[0], cells[1]] = cells[2]
    return found


def test_the_table_has_every_point_and_every_answer() -> None:
    expected = [(title(row.answer.channel, row.promise), row.answer.words, str(row.point)) for row in rows()]

    assert list(told()) == expected
    assert not [end for end in told().values() if "TIMES" in end]


@pytest.mark.e2e
def test_rows_end_as_the_table_says() -> None:
    chosen = random.Random(20261122).sample(list(rows()), PLAYED)

    ends, broken = play_all(chosen)

    assert broken == []
    table = told()
    now = {(title(row.answer.channel, row.promise), row.answer.words, str(row.point)): str(end) for row, end in ends}
    assert now == {key: table[key] for key in now}
