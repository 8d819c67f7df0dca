"""``portal routes import``: the same import as the staff pages and the API, from a file."""

import sys
from pathlib import Path

from portal.services import Services
from tracking import facts, imports
from tracking.actors import SYSTEM
from tracking.ids import new_id
from tracking.import_plan import FieldChange, ImportPreview

MOST_LINES_SHOWN = 50


def import_file(services: Services, path: Path, *, preview_only: bool) -> int:
    """Import ``path``, or only say what would change. Returns 0, or 1 when the file is bad and nothing changed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        print(f"{path} cannot be read: {error.strerror}.", file=sys.stderr)
        return 1
    settings = services.settings
    defaults = imports.ImportDefaults(
        region=settings.default_region, zone=settings.default_zone, locale=settings.default_locale
    )
    parsed = imports.parse_csv(data, defaults)
    if not parsed.is_good:
        print(f"{path}: {len(parsed.problems)} problems; nothing was changed.", file=sys.stderr)
        for problem in parsed.problems:
            print(f"  line {problem.line}, {problem.column}: {problem.reason}", file=sys.stderr)
        return 1
    if preview_only:
        with services.database.reading() as session:
            _tell(imports.preview(session, parsed.rows), "would be")
        return 0
    with services.database.writing() as session:
        result = imports.apply(session, parsed.rows, now=services.clock.now(), actor=SYSTEM, ids=new_id)
    facts.publish(services.redis, result.facts())
    services.wake.reconcile()
    _tell(result.preview, "were")
    return 0


def _tell(found: ImportPreview, verb: str) -> None:
    accepted = sum(bool(difference.accepted) for difference in found.changed)
    print(f"{len(found.new_routes)} routes and {len(found.new)} deliveries {verb} added.")
    print(f"{accepted} {verb} changed, {found.unchanged} stay as they are.")
    lines = [
        *(
            f"  {difference.name}: {change}"
            for difference in found.changed
            for change in map(_said, difference.changes)
        ),
        *(f"  {refused.row.origin} refused: {refused.reason}" for refused in found.refused),
        *(f"  {missing.reference} is not in the file and stays as it is" for missing in found.missing),
    ]
    for line in lines[:MOST_LINES_SHOWN]:
        print(line)
    if len(lines) > MOST_LINES_SHOWN:
        print(f"  and {len(lines) - MOST_LINES_SHOWN} more")


def _said(change: FieldChange) -> str:
    if change.reason is not None:
        return f"{change.column} stays: {change.reason}"
    return f"{change.column}: {change.old} -> {change.new}"
