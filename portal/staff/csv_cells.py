"""CSV for spreadsheets: cells that none of them takes for a formula, and the answer that carries them."""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these (OWASP, CSV injection)


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """Return a download called ``name``.csv, in UTF-8 with the mark that spreadsheets ask for."""
    return figures_answer(name, header, ([harmless(cell) for cell in row] for row in rows))


def figures_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Return the same download with its cells as they are: for figures, whose minus is no formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    headers = {"Content-Disposition": f"attachment; filename={name}.csv"}
    return Response("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula. Phone numbers are kept as they are."""
    is_phone = cell.startswith("+") and cell[1:].isdigit()
    return cell if is_phone else quoted(cell)


def quoted(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, and no phone number either."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
