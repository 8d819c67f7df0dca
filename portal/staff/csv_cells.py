"""CSV for spreadsheets: cells that none of them takes for a formula, and the answer that carries them."""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these (OWASP, CSV injection)


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """Return a download called ``name``.csv, in UTF-8 with the mark that spreadsheets ask for."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f"attachment; filename={name}.csv"}
    return Response("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula. Phone numbers are kept as they are."""
    is_phone = cell.startswith("+") and cell[1:].isdigit()
    return f"'{cell}" if cell.startswith(_FORMULA) and not is_phone else cell
