"""Pictures: what is refused and with which words, and what the public copy no longer holds."""

import base64
import contextlib
import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tracking.pictures import MAX_PHOTO_BYTES, BadPicture, TooLargePicture, read_photo, read_signature

ORIENTATION, GPS = 0x0112, 0x8825


def photo(width: int = 40, height: int = 20, kind: str = "JPEG", exif: Image.Exif | None = None) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, kind, **({"exif": exif} if exif else {}))
    return out.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a great size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def signature(ink: bool) -> str:
    image = Image.new("RGBA", (300, 120), (0, 0, 0, 0))
    if ink:
        image.paste((10, 10, 60, 255), (20, 40, 200, 44))
    out = BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_gets_a_public_jpeg_copy(kind: str) -> None:
    data = photo(kind=kind)
    picture = read_photo(data)
    assert picture.original == data
    assert Image.open(BytesIO(picture.public)).format == "JPEG"
    assert (picture.width, picture.height) == (40, 20)


def test_the_public_copy_has_no_exif_but_stands_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # turn 90 degrees clockwise to see it upright
    exif.get_ifd(GPS)[2] = (51.0, 30.0, 12.0)
    picture = read_photo(photo(40, 20, exif=exif))
    seen = Image.open(BytesIO(picture.public))
    assert seen.size == (20, 40)
    assert dict(seen.getexif()) == {}
    assert b"Exif" not in picture.public


def test_a_large_photo_is_scaled_down_for_people() -> None:
    picture = read_photo(photo(4000, 3000))
    assert (picture.width, picture.height) == (1600, 1200)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a photo"),
        (b"<svg onload=alert(1)></svg>", "not a photo"),
        (b"%PDF-1.7", "not a photo"),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00", "not a photo"),
        (photo()[:200], "not a photo"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (png_claiming(9_000, 9_000), "too many pixels"),
        (png_claiming(10_000, 10_000), "too many pixels"),
        (png_claiming(60_000, 60_000), "too many pixels"),
        (b"\xff\xd8" + b"0" * MAX_PHOTO_BYTES, "larger than 15 MB"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(BadPicture, match=words):
        read_photo(data)


def test_a_decompression_bomb_is_called_too_large() -> None:
    with pytest.raises(TooLargePicture):
        read_photo(png_claiming(30_000, 30_000))


def test_a_signature_is_put_on_white() -> None:
    picture = read_signature(signature(ink=True))
    assert picture is not None
    assert picture.content_type == "image/png"
    assert Image.open(BytesIO(picture.public)).getpixel((0, 0)) == (255, 255, 255)


def test_an_empty_pad_is_no_signature() -> None:
    assert read_signature("") is None
    assert read_signature(signature(ink=False)) is None


@pytest.mark.parametrize(
    "text", ["hello", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,@@@", "data:image/png;base64,AAAA"]
)
def test_what_is_no_signature_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadPicture, match="signature could not be read"):
        read_signature(text)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 600), noise=st.binary(max_size=40), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_a_damaged_file_is_read_or_refused_never_an_error(cut: int, noise: bytes, kind: str) -> None:
    data = photo(kind=kind)
    cut = min(cut, len(data))
    with contextlib.suppress(BadPicture):
        read_photo(data[:cut] + noise + data[cut + len(noise) :])


def test_a_signature_that_unpacks_to_far_more_than_a_screen_is_refused_unread() -> None:
    sheet = BytesIO()
    Image.new("1", (7700, 7700)).save(sheet, "PNG")
    data_url = "data:image/png;base64," + base64.b64encode(sheet.getvalue()).decode()
    assert len(data_url) < 30_000
    with pytest.raises(TooLargePicture):
        read_signature(data_url)


def test_a_jpeg_that_unpacks_small_may_have_more_pixels_than_one_that_does_not() -> None:
    wide = Image.new("RGB", (6_000, 4_600), "navy")
    baseline, progressive = BytesIO(), BytesIO()
    wide.save(baseline, "JPEG")
    wide.save(progressive, "JPEG", progressive=True)
    assert read_photo(baseline.getvalue()).width == 1600
    with pytest.raises(TooLargePicture, match="too many pixels"):
        read_photo(progressive.getvalue())
