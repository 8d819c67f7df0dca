"""A new ticket for a page whose stream's ticket has run out. The stream itself is the live half's."""

from flask import abort, request
from flask.typing import ResponseReturnValue

from portal.accounts import Role
from portal.staff.shell import blueprint, live_url, requires

TOPICS = frozenset({"inbox", "fleet", "conversation"})


@blueprint.get("/live-address")
@requires(Role.AGENT, counts_as_use=False)
def live_address() -> ResponseReturnValue:
    """Return the stream's address as JSON, with a fresh ticket."""
    topic = request.args.get("topic", "")
    if topic.partition(":")[0] not in TOPICS or len(topic) > 60:
        abort(404)
    return {"address": live_url(topic), "topic": topic}
