"""Jinja for pages and streams: the same words, filters and templates in Flask and outside of it.

A fragment (``_name.html``) is rendered by ``fragment`` from a plain environment, so the live half can do it without
Flask; a page that Flask renders includes the same file and comes out with the same bytes. Templates find ``locale`` and
``zone`` in their context; where a page passes none, the company's own hold.
"""

import functools
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import phonenumbers
from flask import Flask
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from portal.i18n import SOURCE_LANGUAGE, Tongue, tongue
from portal.settings import Settings

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class Company:
    """Whose portal this is, and how people reach it. Phone and email may be empty."""

    name: str
    phone: str
    email: str

    @property
    def phone_text(self) -> str:
        """The phone number with spaces, as people of that country write it to others: ``+1 212-555-0199``."""
        try:
            number = phonenumbers.parse(self.phone)
        except phonenumbers.NumberParseException:
            return self.phone
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def equip(environment: Environment, *, company: Company, locale: str, zone: str) -> None:
    """Give ``environment`` (Flask's too) our filters, ``_``, ``_n``, ``company``, and defaults of locale and zone."""
    environment.trim_blocks = True
    environment.lstrip_blocks = True
    environment.globals.update(_=_say, _n=_count, company=company, locale=locale, zone=zone)
    environment.filters.update(
        clock_time=_clock_time,
        day_name=_day_name,
        date_name=_date_name,
        ago=_ago,
        language_tag=_language_tag,
        iso=datetime.isoformat,
    )


def install(app: Flask, settings: Settings) -> None:
    """Equip a Flask application's own environment with the company's words, locale and zone."""
    company = Company(settings.company_name, settings.support_phone, settings.support_email)
    equip(app.jinja_env, company=company, locale=settings.default_locale, zone=settings.default_zone)


@functools.cache
def plain() -> Environment:
    """Return the environment that fragments are rendered with outside Flask. It knows no URL, token or nonce."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
    equip(environment, company=Company("", "", ""), locale=SOURCE_LANGUAGE, zone="UTC")
    return environment


def fragment(template: str, *, locale: str, zone: str, **values: object) -> str:
    """Return one fragment's HTML, without spaces around it. ``template``: ``recipient/_status.html``."""
    return plain().get_template(template).render(locale=locale, zone=zone, **values).strip()


def _tongue(context: Context) -> Tongue:
    return tongue(context["locale"])


@pass_context
def _say(context: Context, text: str, /, **values: object) -> str:
    return _tongue(context).say(text, **values)


@pass_context
def _count(context: Context, one: str, many: str, n: int, /, **values: object) -> str:
    return _tongue(context).count(one, many, n, **values)


@pass_context
def _clock_time(context: Context, at: datetime) -> str:
    return _tongue(context).clock_time(at, context["zone"])


@pass_context
def _day_name(context: Context, on: date, today: date) -> str:
    return _tongue(context).day_name(on, today)


@pass_context
def _date_name(context: Context, on: date) -> str:
    return _tongue(context).date_name(on)


@pass_context
def _ago(context: Context, at: datetime, now: datetime) -> str:
    return _tongue(context).ago(now - at)


def _language_tag(locale: str) -> str:
    return tongue(locale).language_tag
