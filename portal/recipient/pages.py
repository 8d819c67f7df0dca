"""What a recipient can open. A GET changes nothing.

Pages and fragments are made at the desk. The asyncio half (``front.py``) answers nearly all of them before they come
here; here are refusals, HEAD, and servers that know nothing but WSGI.
"""

from flask import Response, request, send_file
from flask.typing import ResponseReturnValue

from messaging.chat_pictures import picture_in
from portal import map
from portal.chat_uploads import picture_answer
from portal.recipient.shell import blueprint, fragment, page, visit
from portal.services import services
from tracking.errors import NotFound
from tracking.proofs import Proof

YEAR_S = 31_536_000


@blueprint.get("/t/<token>")
def track(token: str) -> ResponseReturnValue:
    """The page itself."""
    return page("track", token)


@blueprint.get("/t/<token>/status")
def status(token: str) -> ResponseReturnValue:
    """The promise and progress, for a page whose stream is blocked."""
    return fragment("status", token)


@blueprint.get("/t/<token>/chat")
def chat(token: str) -> ResponseReturnValue:
    """The lines of the chat."""
    return fragment("chat", token)


@blueprint.get("/t/<token>/place")
def place(token: str) -> ResponseReturnValue:
    """Where the truck may be seen, as JSON; ``place`` is null where it may not."""
    return fragment("place", token)


@blueprint.get("/t/<token>/messages")
def messages(token: str) -> ResponseReturnValue:
    """The chat on a page of its own, which never refreshes: for those without JavaScript."""
    return page("messages", token)


@blueprint.get("/t/<token>/rating")
def rating(token: str) -> ResponseReturnValue:
    """The question how it went, on a page of its own."""
    return page("rating", token)


@blueprint.get("/t/<token>/proof/<proof_id>")
def proof(token: str, proof_id: str) -> ResponseReturnValue:
    """A photo or signature, in the copy without camera data."""
    mine = services()
    with mine.database.reading() as session:
        here = visit(session, token, mine)
        view = here.read(session, mine)
        found = session.get(Proof, proof_id)
    if found is None or found.public_sha256 is None or proof_id not in {picture.id for picture in view.pictures}:
        raise NotFound("proof", proof_id)
    path = mine.files.path(found.public_sha256)
    if not path.exists():
        raise NotFound("proof", proof_id)
    return unshared(send_file(path, mimetype=found.content_type or "image/jpeg", max_age=0, etag=proof_id))


def unshared(response: Response) -> Response:
    """Return a file's answer without what the file system knows of it, and for this one browser only."""
    for name in ("Last-Modified", "Content-Disposition"):
        response.headers.pop(name, None)
    response.cache_control.private = True
    return response


@blueprint.get("/t/<token>/picture/<picture_id>")
def picture(token: str, picture_id: str) -> ResponseReturnValue:
    """A picture of the chat, while the page shows the chat."""
    mine = services()
    with mine.database.reading() as session:
        here = visit(session, token, mine)
        is_shown = here.read(session, mine).is_full
        found = picture_in(session, picture_id, here.delivery_id) if is_shown else None
    return picture_answer(found, picture_id)


@blueprint.get("/map.js")
def map_script() -> ResponseReturnValue:
    """The script that folium drew; its address changes with its content."""
    settings = services().settings
    response = Response(map.script(settings), content_type="text/javascript; charset=utf-8")
    if request.args.get("v") == map.version(settings):
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_S
        response.cache_control.immutable = True
    return response
