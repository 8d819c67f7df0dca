"""The headers of every answer, and the check that a POST comes from our own pages."""

import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, request

from portal.settings import Settings

UNCHECKED_PREFIXES = ("/webhooks/", "/api/", "/u/")  # they authenticate by signature, key or one-click token
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def fresh_nonce() -> str:
    """Return a nonce for one answer: 128 random bits."""
    return secrets.token_urlsafe(16)


def csp_nonce() -> str:
    """Return this response's nonce, the same for every call in one request."""
    if "csp_nonce" not in g:
        g.csp_nonce = fresh_nonce()
    nonce: str = g.csp_nonce
    return nonce


def install(app: Flask, settings: Settings) -> None:
    """Put the checks and headers on every request of the application."""
    own = _origin(settings.public_url)
    tile_origin = _tile_origin(settings)
    common = common_headers(settings)

    @app.before_request
    def refuse_foreign_posts() -> None:
        if request.method in SAFE_METHODS or request.path.startswith(UNCHECKED_PREFIXES):
            return
        if not comes_from(own, origin=request.headers.get("Origin"), site=request.headers.get("Sec-Fetch-Site")):
            abort(403)

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = policy(csp_nonce(), tile_origin)
        headers.setdefault("Cache-Control", "no-store")
        headers.update(common)
        headers.add("Vary", "HX-Request")
        return response

    app.jinja_env.globals["csp_nonce"] = csp_nonce


def common_headers(settings: Settings) -> dict[str, str]:
    """Return the headers that every answer of every half carries, besides its policy and how long it may be kept."""
    headers = {
        "Referrer-Policy": "strict-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(), payment=()",
    }
    return headers | ({"Strict-Transport-Security": "max-age=31536000"} if settings.is_https else {})


def headers_without_pages(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers of answers that are no pages: streams, and what devices get. They may load nothing at all."""
    headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        **common_headers(settings),
    }
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class PageHeaders:
    """The same headers for a page that is no answer of Flask's, as ASGI wants them."""

    def __init__(self, settings: Settings) -> None:
        self._tile_origin = _tile_origin(settings)
        headers = {"Cache-Control": "no-store", **common_headers(settings)}
        self._common = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    def of(self, nonce: str) -> list[tuple[bytes, bytes]]:
        """Return the headers of the answer that carries ``nonce``."""
        return [(b"content-security-policy", policy(nonce, self._tile_origin).encode()), *self._common]


def policy(nonce: str, tile_origin: str) -> str:
    """Return the content security policy: ours alone, scripts by nonce, and the configured tile server's pictures."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            f"img-src 'self' data: blob: {tile_origin}".rstrip(),
            "connect-src 'self'",
            "font-src 'self'",
            "media-src 'self' blob:",
            "manifest-src 'self'",
            "worker-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def comes_from(own: str, *, origin: str | None, site: str | None) -> bool:
    """True when a browser says that a request was made by a page of ours, or when no browser made it.

    Every current browser sends at least one of the two headers with a POST (OWASP, Fetch Metadata). Nothing here is
    ambient but cookies that are SameSite=Lax, so a client that sends neither has nothing to abuse.
    """
    if site is not None and site not in {"same-origin", "none"}:
        return False
    return origin is None or origin == own


def _tile_origin(settings: Settings) -> str:
    return _origin(settings.tile_url) if settings.tile_url else ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
