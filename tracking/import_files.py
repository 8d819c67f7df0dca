"""Reading a route file: text of comma- or semicolon-separated lines, with the header of DESIGN 10."""

import csv
import io
from collections.abc import Iterator

from tracking.import_checks import cross_checks
from tracking.import_rows import COLUMNS, ImportDefaults, Origin, Problem, Row, read_row

BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def parse_lines(data: bytes, defaults: ImportDefaults) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a route file and every problem that it has. Lines count from 1, the header's."""
    text, problems = _decoded(data)
    if problems:
        return [], problems
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    lines = _split(text, delimiter, problems)
    line, header = next(lines, (1, []))
    if not any(header):
        return [], [*problems, Problem(1, "", "the file is empty; its first line must name the columns")]
    names = [name.strip() for name in header]
    problems += _header_problems(names, line)
    if problems:
        return [], problems
    rows = []
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            reason = f"the line has {len(cells)} fields, and the header has {len(names)}"
            problems.append(Problem(line, "", reason))
            continue
        raw = dict(zip(names, cells, strict=True))
        row = read_row(raw, Origin(line), defaults, problems, comma=delimiter == ";")
        if row is not None:
            rows.append(row)
    if not rows and not problems:
        problems.append(Problem(line, "", "the file holds no rows below its header"))
    problems += cross_checks(rows)
    return rows, sorted(problems, key=lambda problem: problem.line or 0)


def _decoded(data: bytes) -> tuple[str, list[Problem]]:
    """Return the text, or a problem for each line that is not UTF-8: a guess could garble names silently."""
    if data.startswith(UTF16_BOMS):
        return "", [Problem(1, "", 'the file is UTF-16; save it as "CSV UTF-8"')]
    data = data.removeprefix(BOM)
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    reason = 'the line is not UTF-8 text; save the file as "CSV UTF-8"'
    return "", [Problem(number, "", reason) for number, line in enumerate(data.split(b"\n"), 1) if not _is_utf8(line)]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split(text: str, delimiter: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Give each row with the line it starts on; a quote that never closes is a problem and ends the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(line, "", f"the line cannot be read: {error}"))
            return
        yield line, cells


def _header_problems(names: list[str], line: int) -> list[Problem]:
    problems = [Problem(line, name, "this column is missing") for name in COLUMNS if name not in names]
    for position, name in enumerate(names):
        if name not in COLUMNS:
            problems.append(Problem(line, name or f"column {position + 1}", "this column is not known"))
        elif name in names[:position]:
            problems.append(Problem(line, name, "this column comes twice"))
    return problems
