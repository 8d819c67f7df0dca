"""Made-up proofs of delivery: a photo of a parcel at a door, and a signature."""

import base64
import io
import math
import random

from PIL import Image, ImageDraw, ImageFilter

WALLS = ("#c9b8a3", "#b9c2c4", "#cdbfae", "#a9b5a2", "#d5cabc")
DOORS = ("#32506b", "#6d2f2f", "#2f5b46", "#4c4136", "#7a5a2e")


def doorstep_photo(rng: random.Random) -> bytes:
    """Return a JPEG, 900x1200, of a parcel before a front door."""
    wide, high = 900, 1200
    image = Image.new("RGB", (wide, high), rng.choice(WALLS))
    draw = ImageDraw.Draw(image)
    for row, y in enumerate(range(0, 900, 42)):
        for x in range(-60 * (row % 2), wide, 120):
            draw.rectangle((x, y, x + 118, y + 40), outline="#00000018", width=1)
    draw.rectangle((0, 930, wide, high), fill="#9a948b")
    draw.polygon([(0, 930), (wide, 930), (wide, 960), (0, 975)], fill="#8a847b")
    left, door = rng.randint(220, 320), rng.choice(DOORS)
    draw.rectangle((left - 26, 90, left + 426, 932), fill="#f1ede6")
    draw.rectangle((left, 118, left + 400, 932), fill=door)
    for top, bottom in ((160, 470), (520, 880)):
        for offset in (40, 220):
            draw.rectangle((left + offset, top, left + offset + 140, bottom), outline="#00000055", width=8)
    draw.ellipse((left + 352, 500, left + 384, 532), fill="#d9c07a")
    draw.rounded_rectangle((left - 10, 945, left + 410, 1010), 14, fill="#5a4a3c")
    _draw_parcel(draw, left + rng.randint(30, 150), rng.randint(760, 800))
    out = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.8)).save(out, "JPEG", quality=84)
    return out.getvalue()


def _draw_parcel(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    draw.polygon([(x - 14, y + 236), (x + 300, y + 236), (x + 330, y + 250), (x, y + 256)], fill="#4a3c30")
    draw.rectangle((x, y, x + 290, y + 235), fill="#c79a63")
    draw.polygon([(x, y), (x + 34, y - 46), (x + 318, y - 46), (x + 290, y)], fill="#dbb27e")
    draw.polygon([(x + 290, y), (x + 318, y - 46), (x + 318, y + 190), (x + 290, y + 235)], fill="#ab7f4b")
    draw.rectangle((x + 128, y, x + 162, y + 235), fill="#e3cfae")
    draw.rectangle((x + 186, y + 40, x + 272, y + 106), fill="#fbfaf7")
    for line in range(4):
        draw.line((x + 196, y + 54 + line * 13, x + 260 - line * 9, y + 54 + line * 13), fill="#55504a", width=4)


def signature(name: str, rng: random.Random) -> str:
    """Return a PNG data URL of a flowing line, longer for a longer name."""
    image = Image.new("RGB", (600, 200), "white")
    draw = ImageDraw.Draw(image)
    width, phase = min(520, 120 + 26 * len(name)), rng.uniform(0, 6)
    points = []
    for step in range(160):
        share = step / 159
        swing = (1 - 0.6 * share) * 46 * math.sin(share * len(name) * 2.1 + phase)
        points.append((40 + width * share + 14 * math.sin(share * 31 + phase), 110 + swing - 16 * share))
    draw.line(points, fill="#1c2b4a", width=5, joint="curve")
    out = io.BytesIO()
    image.resize((300, 100), Image.Resampling.LANCZOS).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
