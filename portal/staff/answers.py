"""Canned answers: what staff say often, kept by dispatchers, in each language."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from messaging import canned_answers
from messaging.canned_answers import WORDS, BadAnswer
from messaging.chat_lines import EmptyMessage, MessageTooLong
from messaging.texts import languages
from portal import accounts
from portal.accounts import Role
from portal.services import services
from portal.staff.shell import blueprint, done, me, note_view, requires
from tracking.ids import new_id


@blueprint.get("/answers")
@requires(Role.AGENT)
def answers() -> ResponseReturnValue:
    """List the answers; ``edit`` opens one."""
    return _page(chosen=request.args.get("edit", ""))


@blueprint.post("/answers")
@requires(Role.DISPATCHER)
def answer_save() -> ResponseReturnValue:
    """Add an answer, or change one."""
    mine = services()
    typed = {name: request.form.get(name, "") for name in ("id", "name", "locale", "body")}
    if typed["locale"] not in languages():
        typed["locale"] = "en"
    try:
        with mine.database.writing() as session:
            answer_id = canned_answers.keep(
                session,
                answer_id=typed["id"] or None,
                name=typed["name"],
                locale=typed["locale"],
                body=typed["body"],
                staff_id=me().id,
                now=mine.clock.now(),
                ids=new_id,
            )
            note_view(session, "save", "answer", answer_id, mine.clock.now())
    except (BadAnswer, EmptyMessage, MessageTooLong) as error:
        return _page(problem=str(error), typed=typed), 422
    return done("staff.answers", "Saved.")


@blueprint.post("/answers/<answer_id>/remove")
@requires(Role.DISPATCHER)
def answer_remove(answer_id: str) -> ResponseReturnValue:
    """Take an answer away."""
    mine = services()
    with mine.database.writing() as session:
        is_gone = canned_answers.remove(session, answer_id)
        note_view(session, "remove", "answer", answer_id, mine.clock.now())
    return done("staff.answers", "Removed." if is_gone else "It was gone already.")


def _page(*, chosen: str = "", problem: str = "", typed: dict[str, str] | None = None) -> str:
    with services().database.reading() as session:
        rows = canned_answers.answers(session)
        names = accounts.names_of(session)
    picked = next((row for row in rows if row.id == chosen), None)
    if typed is None and picked is not None:
        typed = {"id": picked.id, "name": picked.name, "locale": picked.locale, "body": picked.body}
    return render_template(
        "staff/answers.html",
        rows=rows,
        names=names,
        words=WORDS,
        languages=sorted(languages()),
        problem=problem,
        typed=typed or {"id": "", "name": "", "locale": "en", "body": ""},
    )
