"""Importing a route file: upload, see what would change, then say yes. A bad file changes nothing."""

import hashlib
from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts import Role
from portal.services import services
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from portal.staff.stash import Stash, StashExpired
from portal.staff.words import count, day
from tracking import imports
from tracking.facts import publish
from tracking.ids import new_id
from tracking.import_plan import ImportPreview
from tracking.import_rows import COLUMNS, OPTIONAL, ImportDefaults, Problem

SHOWN = 300  # rows of each list; the counts above them are of all


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs. ``reason`` says why it stays as it is."""

    column: str
    old: str
    new: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChangedThing:
    """One delivery, route, depot or driver that differs."""

    name: str
    about: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What applying the file would do, in words."""

    name: str
    token: str
    summary: tuple[tuple[str, str], ...]  # figure, what it counts
    routes: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[ChangedThing, ...]
    missing: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    is_noop: bool
    has_moved: bool


@blueprint.get("/import")
@requires(Role.DISPATCHER)
def import_page() -> ResponseReturnValue:
    """Ask for a file, and say what it must look like."""
    return _page()


@blueprint.post("/import")
@requires(Role.DISPATCHER)
def import_preview() -> ResponseReturnValue:
    """Show what a file would change, or everything that is wrong with it."""
    mine = services()
    upload = request.files.get("file")
    data = upload.read() if upload else b""
    if not data:
        return _page(problems=(Problem(None, "", "choose a file first; this one is empty"),)), 422
    parsed = imports.parse_csv(data, _defaults())
    name = (upload.filename or "file")[:120] if upload else "file"
    if not parsed.is_good:
        return _page(name=name, problems=parsed.problems), 422
    with mine.database.reading() as session:
        found = imports.preview(session, parsed.rows)
    return render_template("staff/import_preview.html", view=_view(found, name, _keep(data, found)))


@blueprint.post("/import/apply")
@requires(Role.DISPATCHER)
def import_apply() -> ResponseReturnValue:
    """Do what the preview said. When the record has moved since, show the new preview instead and do nothing."""
    mine = services()
    now, name = mine.clock.now(), request.form.get("name", "file")[:120]
    stash = _stash()
    try:
        kept = stash.get(request.form.get("token", ""), staff_id=me().id, elapsed_s=mine.clock.elapsed())
    except StashExpired as error:
        return refused("staff.import_page", str(error))
    parsed = imports.parse_csv(kept.data, _defaults())
    with mine.database.writing() as session:
        found = imports.preview(session, parsed.rows)
        if _fingerprint(found) != kept.fingerprint:
            token = _keep(kept.data, found)
            return render_template("staff/import_preview.html", view=_view(found, name, token, has_moved=True)), 409
        result = imports.apply(session, parsed.rows, now=now, actor=me().actor, ids=new_id)
        note_view(session, "import", "routes", hashlib.sha256(kept.data).hexdigest()[:32], now)
    publish(mine.redis, result.facts())
    mine.wake.reconcile()
    stash.drop(kept)
    days = sorted({row.service_on for row in parsed.rows})
    said = f"Imported: {count(len(found.new), 'new delivery', 'new deliveries')}, {len(found.changed)} changed."
    return done("staff.fleet", said, on=days[0].isoformat())


def _page(name: str = "", problems: tuple[Problem, ...] = ()) -> str:
    return render_template(
        "staff/import.html",
        name=name,
        problems=problems[:SHOWN],
        problem_count=len(problems),
        columns=COLUMNS,
        optional=OPTIONAL,
    )


def _defaults() -> ImportDefaults:
    settings = services().settings
    return ImportDefaults(settings.default_region, settings.default_zone, settings.default_locale)


def _stash() -> Stash:
    settings = services().settings
    return Stash(settings.data_dir / "imports", settings.secret_keys)


def _keep(data: bytes, found: ImportPreview) -> str:
    elapsed_s = services().clock.elapsed()
    return _stash().put(data, fingerprint=_fingerprint(found), staff_id=me().id, elapsed_s=elapsed_s)


def _fingerprint(found: ImportPreview) -> str:
    """Return a hash of all a preview says, so that a yes is only ever to what was shown."""
    return hashlib.sha256(repr(found).encode()).hexdigest()[:32]


def _view(found: ImportPreview, name: str, token: str, *, has_moved: bool = False) -> PreviewView:
    refused_fields = sum(len(difference.refused) for difference in found.changed)
    summary = (
        (f"{len(found.new):,}", "new deliveries"),
        (f"{len(found.new_routes):,}", "new routes"),
        (f"{len(found.changed):,}", "changed"),
        (f"{found.unchanged:,}", "unchanged"),
        (f"{len(found.missing):,}", "not in the file"),
        (f"{len(found.refused) + refused_fields:,}", "refused"),
    )
    return PreviewView(
        name=name,
        token=token,
        summary=summary,
        routes=tuple(
            f"{route.route}, {day(route.service_on, services().clock.now())}: {count(route.stops, 'stop')}, "
            f"{count(route.deliveries, 'delivery', 'deliveries')}, {route.driver}"
            for route in found.new_routes[:SHOWN]
        ),
        new=tuple(f"{row.reference} · {row.recipient} · {row.route}, stop {row.sequence}" for row in found.new[:SHOWN]),
        changed=tuple(
            ChangedThing(
                difference.name,
                difference.kind,
                tuple(Change(c.column, _cell(c.old), _cell(c.new), c.reason or "") for c in difference.changes),
            )
            for difference in found.changed[:SHOWN]
        ),
        missing=tuple(
            f"{row.reference} · {row.recipient} · {row.route}, {row.status}" for row in found.missing[:SHOWN]
        ),
        refused=tuple((f"{row.row.origin}: {row.row.reference}", row.reason) for row in found.refused[:SHOWN]),
        is_noop=found.is_noop,
        has_moved=has_moved,
    )


def _cell(value: object) -> str:
    return "(empty)" if value in {None, ""} else str(value)
