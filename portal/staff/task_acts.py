"""What settles a task at once: a text put into its thread, an opt-out taken back; and a message sent again."""

from flask import request
from flask.typing import ResponseReturnValue

from messaging.cases import Task, TaskKind
from messaging.consent import pepper_of
from messaging.consent_texts import undo_opt_out
from messaging.kinds import Channel
from messaging.moved_lines import attach
from messaging.notifications import Notification
from messaging.outbox import resend
from portal.accounts import Role
from portal.services import services
from portal.staff.conversation import tell
from portal.staff.conversation_acts import named_delivery
from portal.staff.facts import can_resend
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from tracking.deliveries import load
from tracking.errors import NotFound
from tracking.facts import inbox_changed, publish
from tracking.ids import new_id


@blueprint.post("/tasks/<task_id>/attach")
@requires(Role.AGENT)
def task_attach(task_id: str) -> ResponseReturnValue:
    """Put a text from an unknown number into the conversation of a delivery named by its reference."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        task = session.get(Task, task_id)
        delivery = named_delivery(session, request.form.get("to", ""))
        if task is None or task.inbound_id is None or task.kind is not TaskKind.UNMATCHED_INBOUND:
            raise NotFound("task", task_id)
        if delivery is None:
            return refused("staff.tasks", "There is no such delivery.", _anchor=f"task-{task_id}")
        is_put = attach(session, task.inbound_id, delivery_id=delivery.id, staff_id=me().id, now=now)
        note_view(session, "attach", "task", task_id, now)
    tell(delivery.id)
    if not is_put:
        return refused("staff.tasks", "It is in a conversation already.")
    return done("staff.conversation", "Put here.", delivery_id=delivery.id, _anchor="reply")


@blueprint.post("/tasks/<task_id>/undo-opt-out")
@requires(Role.AGENT)
def task_undo_opt_out(task_id: str) -> ResponseReturnValue:
    """Take back an opt-out that a sentence was read as and nobody meant."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        pepper = pepper_of(mine.settings.secret_keys)
        is_undone = undo_opt_out(session, task_id, staff_id=me().id, now=now, pepper=pepper)
        note_view(session, "undo_opt_out", "task", task_id, now)
    publish(mine.redis, [inbox_changed()])
    mine.wake.reconcile()
    if not is_undone:
        return refused("staff.tasks", "It was settled already.")
    return done("staff.tasks", "They get texts again.")


@blueprint.post("/deliveries/<delivery_id>/notices/<notification_id>/resend")
@requires(Role.AGENT)
def notice_resend(delivery_id: str, notification_id: str) -> ResponseReturnValue:
    """Send a message of this delivery once more, in the words that are true now."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        load(session, delivery_id)
        row = session.get(Notification, notification_id)
        if row is None or row.delivery_id != delivery_id:
            raise NotFound("notification", notification_id)
        if not can_resend(row):
            return refused("staff.conversation", "This message cannot be sent again.", delivery_id=delivery_id)
        resend(session, notification_id, now=now, ids=new_id)
        note_view(session, "resend", "delivery", delivery_id, now)
    tell(delivery_id)
    for channel in Channel:
        mine.wake.send(channel)
    return done("staff.conversation", "It goes out again now.", delivery_id=delivery_id)
