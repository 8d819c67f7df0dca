"""Photos and signatures: what is accepted as one, and the copy that people may see.

The public copy is encoded anew from the pixels, so nothing of the file survives but them: no EXIF, no place, no
trailing bytes. The orientation that EXIF tells is applied before it is dropped.
"""

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from tracking.errors import TrackingError

MAX_PHOTO_BYTES = 15 * 1024 * 1024  # issue: larger photos are refused with a sentence
# Unpacking costs memory: a baseline JPEG is unpacked at a fraction of its size (59 MP: 34 MB, measured), anything
# else whole (a progressive JPEG of 25 MP: 97 MB). Browsers with our script make photos small before they travel.
MAX_DRAFT_PIXELS = 60_000_000
MAX_PIXELS = 25_000_000
MAX_PUBLIC_SIDE = 1600  # pixels
JPEG_QUALITY = 82
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP")  # what phones and browsers make; fewer decoders, fewer surprises
MAX_SIGNATURE_BYTES = 512 * 1024
MAX_SIGNATURE_SIDE = 2000
MAX_SIGNATURE_PIXELS = 8_000_000  # our choice, above any phone's screen: an empty sheet packs well, so bytes say little
_SIGNATURE_PREFIX = "data:image/png;base64,"
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
# What Pillow's decoders raise for broken files (its own tests: Tests/test_file_*.py).
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error, zlib.error)


class BadPicture(TrackingError):
    """What was sent cannot be taken as a picture. ``str(error)`` says why and what to do."""


class TooLargePicture(BadPicture):
    """Too many bytes, or too many pixels."""


@dataclass(frozen=True)
class Picture:
    """A checked picture: the bytes as taken, and the copy people may see with its type and size in pixels."""

    original: bytes
    public: bytes
    content_type: str
    width: int
    height: int


def read_photo(data: bytes) -> Picture:
    """Return the photo with its public JPEG copy, at most 1600 px a side. Raises ``BadPicture`` with a sentence."""
    if len(data) > MAX_PHOTO_BYTES:
        raise TooLargePicture("This photo is larger than 15 MB. Take it again with a lower resolution.")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise BadPicture("This phone saved the photo as HEIC, which cannot be shown here. Choose JPEG in its camera.")
    image = _decoded(data, "This file is not a photo. JPEG, PNG and WebP are accepted.", draft_side=MAX_PUBLIC_SIDE)
    image.thumbnail((MAX_PUBLIC_SIDE, MAX_PUBLIC_SIDE))
    return _encoded(data, _on_white(image), "JPEG", "image/jpeg")


def read_signature(data_url: str) -> Picture | None:
    """Return the signature drawn in a browser, on white; None when nothing was drawn. Raises ``BadPicture``."""
    if not data_url.strip():
        return None
    if not data_url.startswith(_SIGNATURE_PREFIX) or len(data_url) > MAX_SIGNATURE_BYTES * 4 // 3:
        raise BadPicture("The signature could not be read. Please let it be signed again.")
    try:
        data = base64.b64decode(data_url.removeprefix(_SIGNATURE_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture("The signature could not be read. Please let it be signed again.") from None
    sentence = "The signature could not be read. Please let it be signed again."
    image = _on_white(_decoded(data, sentence, most_pixels=MAX_SIGNATURE_PIXELS))
    image.thumbnail((MAX_SIGNATURE_SIDE, MAX_SIGNATURE_SIDE))
    lightest_and_darkest = image.convert("L").getextrema()
    if lightest_and_darkest[0] == lightest_and_darkest[1]:
        return None
    return _encoded(data, image, "PNG", "image/png")


def _decoded(
    data: bytes, sentence: str, *, draft_side: int | None = None, most_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Return the pixels, upright. The size is read from the header before any pixel is unpacked."""
    try:
        opened = Image.open(BytesIO(data), formats=PHOTO_FORMATS)
        is_draft = draft_side is not None and opened.format == "JPEG" and "progressive" not in opened.info
        if opened.width * opened.height > (MAX_DRAFT_PIXELS if is_draft else most_pixels):
            raise TooLargePicture("This picture has too many pixels. Take it again with a lower resolution.")
        if draft_side is not None:
            opened.draft("RGB", (draft_side, draft_side))  # JPEG only: unpacks at a fraction of the size
        opened.load()
        return ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargePicture("This picture has too many pixels. Take it again with a lower resolution.") from None
    except _BROKEN:
        raise BadPicture(sentence) from None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    with_alpha = image.convert("RGBA")
    sheet = Image.new("RGB", with_alpha.size, "white")
    sheet.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return sheet


def _encoded(original: bytes, image: Image.Image, kind: str, content_type: str) -> Picture:
    """Return the picture with a copy that holds pixels only."""
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    out = BytesIO()
    bare.save(out, kind, quality=JPEG_QUALITY, optimize=True)
    return Picture(original, out.getvalue(), content_type, bare.width, bare.height)
