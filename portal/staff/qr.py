"""QR codes as drawings of our own page: no request, no picture to store."""

import io

import segno
from markupsafe import Markup


def qr(content: str) -> Markup:
    """Return a QR code as SVG that needs no style: dark on light in either theme, as scanners want it."""
    out = io.BytesIO()
    code = segno.make(content, error="m", micro=False)
    code.save(out, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, dark="#000", light="#fff", omitsize=True)
    return Markup(out.getvalue().decode())  # noqa: S704 - drawn by segno: paths and numbers, no text of anybody's
