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
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from portal.i18n import SOURCE_LANGUAGE, Tongue, tongue

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class Company:
    """Whose portal this is, and how people reach it. Phone and email may be empty."""

    name: str
    phone: str
    email: str

    @property
    def phone_text(self) -> str:
        """The phone number, ``spaced``."""
        return spaced(self.phone)


@functools.lru_cache(maxsize=64)
def spaced(phone: str) -> str:
    """Return a number with spaces, as people of its country write it to others: ``+1 212-555-0199``."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def equip(environment: Environment, *, company: Company, locale: str, zone: str) -> None:
    """Give ``environment`` (Flask's too) our filters, ``_``, ``_n``, ``static``, ``company``, and a locale and zone."""
    environment.trim_blocks = True
    environment.lstrip_blocks = True
    environment.globals.update(_=_say, _n=_count, static=_static, company=company, locale=locale, zone=zone)
    environment.filters.update(
        clock_time=_clock_time,
        day_name=_day_name,
        date_name=_date_name,
        ago=_ago,
        language_tag=_language_tag,
        iso=datetime.isoformat,
    )


@functools.cache
def plain() -> Environment:
    """Return the environment for what is rendered outside Flask. It knows no token, no nonce, and no page's address."""
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
    return page(template, locale=locale, zone=zone, **values).strip()


def page(template: str, *, locale: str, zone: str, **values: object) -> str:
    """Return a whole page's HTML. What it needs beside words comes in ``values``: ``company``, ``csp_nonce``."""
    return plain().get_template(template).render(locale=locale, zone=zone, **values)


def _static(name: str) -> str:
    """Return the address of a file of ours: ``css/base.css``."""
    return f"/static/{name}"


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
