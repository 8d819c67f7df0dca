"""What every staff page shares: the blueprint, who is logged in, what they may do, and how a change answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session

from portal import accounts, map, tickets
from portal.accounts import Role, StaffAccount
from portal.audit import audit
from portal.guards import csrf
from portal.services import services
from portal.staff.queues import Counts, counts
from portal.way_back import page_above
from tracking.actors import Actor, ActorKind

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]

blueprint = Blueprint("staff", __name__, url_prefix="/staff")
PROSE = ("body", "instructions", "question", "resolution")  # fields of a form that somebody may have long written at
SEEN = "seen_s"  # in the signed cookie: machine seconds of the last page this person asked for


class Staff(UserMixin):  # type: ignore[misc]  # flask_login ships no types
    """Who is logged in: a frozen copy of the account, and the secret of this login."""

    def __init__(self, account: StaffAccount, secret: str) -> None:
        self.id, self.name, self.email, self.role, self.secret = (
            account.id,
            account.name,
            account.email,
            account.role,
            secret,
        )
        self.has_second_step = account.totp_since is not None

    def get_id(self) -> str:
        """Return what the cookie carries: this login's secret, never the account's id."""
        return self.secret

    def may(self, role: str) -> bool:
        """True when this person may do what ``role`` may."""
        return self.role.may_act_as(Role(role))

    @property
    def actor(self) -> Actor:
        """This person, as the record names who did something."""
        return Actor(ActorKind.STAFF, self.id)


logins = LoginManager()
logins.session_protection = None  # a phone changes its address all day; the login is a row that can be ended


@logins.user_loader  # type: ignore[untyped-decorator]
def _load(secret: str) -> Staff | None:
    """Return who this login belongs to, unless it has idled for 30 minutes or lasted for 12 hours (machine time)."""
    mine = services()
    elapsed_s = mine.clock.elapsed()
    if elapsed_s - float(session.get(SEEN, 0.0)) > accounts.IDLE_S:
        return None
    with mine.database.reading() as reading:
        account = accounts.account_of_session(reading, secret, elapsed_s)
    if account is None:
        return None
    return Staff(account, secret)


@logins.unauthorized_handler  # type: ignore[untyped-decorator]
def _ask_to_log_in() -> ResponseReturnValue:
    """Send a page to the login and back; a fragment gets 401, and the page's script reloads it."""
    is_fragment = request.headers.get("HX-Request") or request.headers.get("X-Live")
    if request.method != "GET":
        back = page_above(request.path)
    else:
        back = None if is_fragment else request.full_path.rstrip("?")
    if is_fragment:
        return render_template("staff/signed_out.html", back=back), 401
    return redirect(url_for("staff.login", next=back), 303)


@blueprint.record_once
def _install(state: BlueprintSetupState) -> None:
    logins.init_app(state.app)


@blueprint.before_request
def _check_token() -> ResponseReturnValue | None:
    """Every POST of a staff page carries its token, besides the check of its origin in security.py."""
    try:
        csrf.protect()
    except CSRFError:
        return _stale()
    return None


def _stale() -> ResponseReturnValue:
    """Answer a form whose token is of another login, or none: nothing was changed; its page, and the words written."""
    needs_login = hasattr(current_app.view_functions[request.endpoint or ""], "needed_role")
    if needs_login and not current_user.is_authenticated:
        answer: ResponseReturnValue = logins.unauthorized()
        return answer
    back = page_above(request.path) or url_for("staff.today")
    kept = [text for name in PROSE if (text := request.form.get(name, "").strip())]
    is_fragment = request.headers.get("HX-Request") or request.headers.get("X-Live")
    template = "staff/_stale.html" if is_fragment else "staff/stale.html"
    return render_template(template, back=back, kept=kept), 400


def me() -> Staff:
    """Return who is asking. Only inside a view that ``requires`` somebody."""
    who: Staff = current_user._get_current_object()
    return who


def requires(role: Role, *, counts_as_use: bool = True, may_come_first: bool = False) -> Callable[[View[P]], View[P]]:
    """Let only this role and those above it into a view; others get 403, strangers the login.

    ``counts_as_use`` is false for what a page asks for by itself: it does not keep an idle login alive. Where the house
    requires the second step, only what ``may_come_first`` is open before it is set up.
    """

    def guard(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not current_user.is_authenticated:
                answer: ResponseReturnValue = logins.unauthorized()
                return answer
            if not me().role.may_act_as(role):
                abort(403)
            if services().settings.needs_second_step and not me().has_second_step and not may_come_first:
                return _set_up_first()
            if counts_as_use:
                session[SEEN] = services().clock.elapsed()
            return view(*args, **kwargs)

        guarded.needed_role = role  # type: ignore[attr-defined]  # read by the test that walks every view
        return guarded

    return guard


def _set_up_first() -> ResponseReturnValue:
    if request.method == "GET" and not request.headers.get("X-Live"):
        return redirect(url_for("staff.second_step_page"), 303)
    abort(403)


def note_view(writing: Session, action: str, subject_kind: str, subject_id: str, now: datetime) -> None:
    """Put on record that this person looked at, or changed, something."""
    audit(writing, me().actor, action, subject_kind, subject_id, now)


def is_confirmed() -> bool:
    """True when the person has said yes to the question that ``ask_first`` put."""
    return request.form.get("confirmed") == "yes"


def ask_first(*, question: str, effects: list[str], yes: str, back: str) -> ResponseReturnValue:
    """Return a page that asks before something that cannot be undone; its form posts the same fields again."""
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "confirmed"}]
    return render_template("staff/confirm.html", question=question, effects=effects, yes=yes, back=back, kept=kept)


def done(endpoint: str, sentence: str | None = None, **values: Any) -> ResponseReturnValue:
    """Answer a change: say so on the next page, and go there."""
    if sentence:
        flash(sentence, "done")
    return redirect(url_for(endpoint, **values), 303)


def refused(endpoint: str, sentence: str, **values: Any) -> ResponseReturnValue:
    """Answer a change that could not be made: say why on the page it came from."""
    flash(sentence, "refused")
    return redirect(url_for(endpoint, **values), 303)


def offer_undo(sentence: str, *, action: str, fields: Mapping[str, str]) -> None:
    """Say what was done, with a button on the next page that posts ``fields`` to ``action`` to take it back."""
    session["undo"] = {"sentence": sentence, "action": action, "fields": dict(fields)}


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation. ``count`` names the figure of ``queues.Counts`` beside it, if it has one."""

    endpoint: str
    label: str
    icon: str
    role: Role
    count: str = ""


PLACES = (
    Place("staff.today", "Today", "today", Role.AGENT),
    Place("staff.inbox", "Inbox", "inbox", Role.AGENT, "unanswered"),
    Place("staff.fleet", "Fleet", "fleet", Role.AGENT),
    Place("staff.cases", "Cases", "cases", Role.AGENT, "cases"),
    Place("staff.tasks", "Tasks", "tasks", Role.AGENT, "tasks"),
    Place("staff.ratings", "Ratings", "ratings", Role.AGENT),
    Place("staff.truth", "ETA truth", "truth", Role.AGENT),
    Place("staff.import_page", "Import", "import", Role.DISPATCHER),
    Place("staff.messages", "Messages", "messages", Role.AGENT),
    Place("staff.chat_settings", "Chat", "taps", Role.DISPATCHER),
    Place("staff.ways_out", "Ways out", "ways", Role.DISPATCHER),
    Place("staff.answers", "Answers", "answers", Role.AGENT),
    Place("staff.people", "People", "people", Role.ADMIN),
    Place("staff.audit_page", "Audit", "audit", Role.ADMIN),
)


def navigation(role: Role) -> tuple[Place, ...]:
    """Return the places this role may go."""
    return tuple(place for place in PLACES if role.may_act_as(place.role))


@blueprint.context_processor
def _shared() -> dict[str, Any]:
    """Give every template who is logged in and the undo that was offered."""
    who = me() if current_user.is_authenticated else None
    return {"who": who, "nav": navigation(who.role) if who else (), "section": ""}


def take_undo() -> dict[str, Any] | None:
    """Return the undo that was offered, once."""
    offered: dict[str, Any] | None = session.pop("undo", None)
    return offered


def waiting_counts() -> Counts:
    """Return the counts beside the navigation."""
    with services().database.reading() as reading:
        return counts(reading)


def live_url(topic: str) -> str:
    """Return the address of the stream that says when ``topic`` changed, with a ticket for ten minutes."""
    mine = services()
    subject = accounts.login_id(me().secret)
    ticket = tickets.issue(mine, topic=topic, subject=subject, locale=mine.settings.default_locale)
    return f"/staff/live?{urlencode({'ticket': ticket})}"


def map_shell_url() -> str:
    """Return the address of the script that builds the map; it changes with the script."""
    return map.address(services().settings)


def tile_credit() -> str:
    """Return whom the map's tiles come from; empty when there are none."""
    settings = services().settings
    return settings.tile_attribution if settings.tile_url else ""


blueprint.app_template_global("live_url")(live_url)
blueprint.app_template_global("map_shell_url")(map_shell_url)
blueprint.app_template_global("tile_credit")(tile_credit)
blueprint.app_template_global("take_undo")(take_undo)
blueprint.app_template_global("waiting_counts")(waiting_counts)
