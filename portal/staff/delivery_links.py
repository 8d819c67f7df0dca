"""The recipient's link under dispatch's hand: sent again, replaced or ended."""

from datetime import datetime

from flask import url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.kinds import Channel
from messaging.preparing import LINK_LASTS
from portal.accounts import Role
from portal.staff import words
from portal.staff.delivery_changes import change_delivery
from portal.staff.links import send_to_recipient
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, refused, requires
from tracking import changes
from tracking.changes import Changed
from tracking.deliveries import load
from tracking.ids import new_id, new_link_id


@blueprint.post("/deliveries/<delivery_id>/link/<any('resend', 'renew', 'revoke'):step>")
@requires(Role.DISPATCHER)
def delivery_link(delivery_id: str, step: str) -> ResponseReturnValue:
    """Send the recipient's link again, replace it by a new one and send that, or end it. The last two ask first."""
    if step != "resend" and not is_confirmed():
        effects = ["Whoever has the page open by the old link is shut out at once."]
        effects += ["A new link goes to the recipient on all channels."] if step == "renew" else []
        question = "Replace the recipient's link?" if step == "renew" else "End the recipient's link?"
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(
            question=question, effects=effects, yes="Replace it" if step == "renew" else "End it", back=back
        )
    told: list[Channel] = []

    def act(session: Session, now: datetime) -> Changed:
        found = load(session, delivery_id)
        changed = Changed((delivery_id,))
        if step == "revoke":
            return changes.revoke_links(session, delivery_id, now=now)
        if step == "renew":
            lasts = max(found.window_end_at, now) + LINK_LASTS
            changed = changes.renew_link(session, delivery_id, expires_at=lasts, now=now, link_id=new_link_id())[1]
        told.extend(send_to_recipient(session, found, now=now, ids=new_id))
        return changed

    problem = change_delivery(delivery_id, f"{step}_link", act)
    if problem:
        return refused("staff.delivery", problem, delivery_id=delivery_id)
    by = " and ".join(words.CHANNEL[channel] for channel in told)
    said = "The link has ended." if step == "revoke" else f"The link goes out by {by} now."
    return done("staff.delivery", said, delivery_id=delivery_id)
