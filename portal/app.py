"""The Flask application: everything a person reads, and the webhooks and API beside it."""

from pathlib import Path

from flask import Flask, Response, render_template, send_from_directory

from portal import api, driver, errors, health, recipient, security, staff, webhooks
from portal.guards import csrf, limiter
from portal.htmx import htmx
from portal.recipient.desk import DESK, Desk
from portal.rendering import Company, equip
from portal.services import EXTENSION, Services

ROOT = Path(__file__).resolve().parent.parent
LARGEST_BODY = 16 * 1024 * 1024  # bytes: a photo of 15 MB and its form


def create_app(mine: Services) -> Flask:
    """Return the application that serves ``mine``. Nothing is built at import."""
    app = Flask("portal", root_path=str(ROOT), template_folder="templates", static_folder="static")
    settings = mine.settings
    app.extensions[EXTENSION] = mine
    app.extensions[DESK] = Desk(mine)
    app.config.update(
        SECRET_KEY=settings.secret_keys[-1],
        SECRET_KEY_FALLBACKS=list(settings.secret_keys[:-1]),
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        SESSION_COOKIE_NAME="__Host-portal" if settings.is_https else "portal",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SEND_FILE_MAX_AGE_DEFAULT=86_400,
        RATELIMIT_STORAGE_URI=settings.redis_url,
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_SWALLOW_ERRORS=True,
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_SSL_STRICT=False,  # security.py checks Origin and Sec-Fetch-Site on every POST
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    htmx.init_app(app)
    limiter.init_app(app)
    csrf.init_app(app)
    security.install(app, settings)
    errors.install(app)
    company = Company(settings.company_name, settings.support_phone, settings.support_email)
    equip(app.jinja_env, company=company, locale=settings.default_locale, zone=settings.default_zone)
    for module in (health, recipient, driver, staff, api, webhooks):
        app.register_blueprint(module.blueprint)
    _add_front(app, mine)
    return app


def _add_front(app: Flask, mine: Services) -> None:
    @app.get("/")
    def front() -> str:
        return render_template("front.html")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /\n", content_type="text/plain")

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return send_from_directory(app.static_folder or "static", "icons/mark.svg", mimetype="image/svg+xml")
