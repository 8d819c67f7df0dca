"""Pictures of a chat over HTTP: taken from a form, and given out in the copy without camera data."""

from flask import Request, Response

from messaging.chat_pictures import ChatPicture
from portal.services import services
from tracking.errors import NotFound
from tracking.pictures import MAX_PHOTO_BYTES, Picture, read_photo

KEPT_S = 86_400  # in the browser of who may see it: a picture of a line never changes


def uploaded_photo(request: Request) -> Picture | None:
    """Return the photo that came with a chat form, checked; None when there is none. Raises ``BadPicture``."""
    upload = request.files.get("photo")
    if upload is None or not upload.filename:
        return None
    return read_photo(upload.stream.read(MAX_PHOTO_BYTES + 1))


def picture_answer(picture: ChatPicture | None, picture_id: str) -> Response:
    """Return the picture; raises ``NotFound`` for one that may not be shown, or whose file is gone."""
    if picture is None or picture.public_sha256 is None:
        raise NotFound("picture", picture_id)
    path = services().files.path(picture.public_sha256)
    if not path.exists():
        raise NotFound("picture", picture_id)
    response = Response(path.read_bytes(), mimetype=picture.content_type or "image/jpeg")
    response.headers["Cache-Control"] = f"private, max-age={KEPT_S}, immutable"
    return response
