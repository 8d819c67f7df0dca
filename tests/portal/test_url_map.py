"""A guard over the whole URL map: what is open to all is open on purpose, and nothing takes a POST of another site."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

# Endpoints that answer anybody, and why they may.
PUBLIC = {
    "front": "a word and nothing else; nobody's data",
    "robots": "for robots",
    "favicon": "the mark",
    "static": "our own style sheets and scripts",
    "recipient.map_script": "the map's script, the same for all; no place in it",
    "driver.manifest": "what a phone installs: the company's name and icons",
    "driver.worker": "the service worker's script, the same for all",
    "driver.offline": "the page without signal; it knows nobody",
    "staff.login": "where staff come in",
    "staff.log_in": "where staff come in; failures are counted",
    "staff.login_code": "the second step; who has not given the password is sent to the login",
    "staff.check_code": "the second step; likewise, and failures are counted",
    "health.healthz": "for the machine that watches; says ok",
    "health.readyz": "for the machine that watches; ages and states only",
    "health.metrics": "counts only; nginx lets this machine alone ask (deploy/nginx.conf)",
    "api.openapi": "the API's description",
}
# What a stranger gets from everything else. The login is a redirect, so that is checked to be there.
REFUSALS = {401, 403, 404}
# POSTs that no cookie of ours can make happen: each needs a signature, a key or a token in the request itself.
WITHOUT_ORIGIN = {
    "recipient.end_mail": "a mail program's one click (RFC 8058): the token is the right, and there is no browser",
    "webhooks.status": "Twilio's signature",
    "webhooks.inbound": "Twilio's signature",
}


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


def path_of(rule: Rule) -> str:
    """Return an address of the rule with made-up values."""
    path = re.sub(r"<any\('([^']+)'[^>]*>", r"\1", rule.rule)
    return re.sub(r"<[^>]+>", "madeup", path)


def changing(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}


def test_a_stranger_gets_in_nowhere_but_where_it_is_meant(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_METHODS"] = []  # what is asked here is who may, not where from
    let_in = {}
    for rule in rules(app):
        if rule.endpoint in PUBLIC:
            continue
        for method in (rule.methods or set()) - {"OPTIONS"}:
            each_from_elsewhere = {"REMOTE_ADDR": f"192.0.2.{len(rule.rule)}"}
            answer = client.open(path_of(rule), method=method, environ_base=each_from_elsewhere)
            is_sent_to_login = answer.status_code == 303 and answer.headers["Location"].startswith("/staff/login")
            is_refused_hook = rule.endpoint.startswith("webhooks.") and answer.status_code == 415
            if answer.status_code not in REFUSALS and not is_sent_to_login and not is_refused_hook:
                let_in[f"{method} {rule.rule}"] = answer.status_code
    assert let_in == {}


def test_every_change_from_another_site_is_refused(app: Flask, client: FlaskClient) -> None:
    taken = {}
    for rule in rules(app):
        if rule.endpoint in WITHOUT_ORIGIN or rule.endpoint.startswith("api."):
            continue
        for method in changing(rule):
            answer = client.open(path_of(rule), method=method, headers=FOREIGN)
            if answer.status_code != 403:
                taken[f"{method} {rule.rule}"] = answer.status_code
    assert taken == {}


def test_api_changes_need_a_key_that_no_browser_sends_by_itself(app: Flask, client: FlaskClient) -> None:
    api = [rule for rule in rules(app) if rule.endpoint.startswith("api.") and rule.endpoint not in PUBLIC]
    assert api
    for rule in api:
        for method in (rule.methods or set()) - {"OPTIONS"}:
            assert client.open(path_of(rule), method=method).status_code == 401, rule.rule


@pytest.mark.parametrize("listed", [PUBLIC, WITHOUT_ORIGIN], ids=["public", "without origin"])
def test_no_exception_outlives_what_it_was_made_for(app: Flask, listed: dict[str, str]) -> None:
    assert set(listed) - {rule.endpoint for rule in rules(app)} == set()
