"""Pictures of a conversation, for staff; who looked goes on record."""

from flask.typing import ResponseReturnValue

from messaging.chat_pictures import picture_in
from portal.accounts import Role
from portal.chat_uploads import picture_answer
from portal.services import services
from portal.staff.shell import blueprint, note_view, requires


@blueprint.get("/conversations/<delivery_id>/pictures/<picture_id>")
@requires(Role.AGENT, counts_as_use=False)
def chat_picture(delivery_id: str, picture_id: str) -> ResponseReturnValue:
    """Show one picture, in the copy without camera data."""
    mine = services()
    with mine.database.writing() as session:
        found = picture_in(session, picture_id, delivery_id, with_notes=True)
        if found is not None:
            note_view(session, "view", "picture", picture_id, mine.clock.now())
    return picture_answer(found, picture_id)
