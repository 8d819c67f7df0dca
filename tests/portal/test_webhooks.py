from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from messaging.inbound import InboundMessage
from messaging.receipts import Receipt
from portal import webhooks
from portal.services import EXTENSION, Services

FORM = "application/x-www-form-urlencoded"
SID = "SM" + "a" * 32


@pytest.fixture
def hooks(services: Services) -> FlaskClient:
    """Only the webhooks, on real services."""
    app = Flask("webhooks")
    app.testing = True
    app.extensions[EXTENSION] = services
    app.register_blueprint(webhooks.blueprint)
    return app.test_client()


def status_form(services: Services, **fields: str) -> dict[str, str]:
    given = {
        "MessageSid": SID,
        "MessageStatus": "sent",
        "To": "+12015550111",
        "From": "+12125550100",
        "AccountSid": services.settings.twilio_account_sid,
        "ApiVersion": "2010-04-01",
    }
    return given | fields


def signature(services: Services, path: str, form: dict[str, str], token: str | None = None) -> str:
    validator = RequestValidator(token or services.settings.twilio_auth_tokens[0])
    return str(validator.compute_signature(services.settings.public_url + path, form))


def post(hooks: FlaskClient, path: str, form: dict[str, str], signed: str | None, **options: str) -> TestResponse:
    headers = {} if signed is None else {"X-Twilio-Signature": signed}
    return hooks.post(path, data=urlencode(form), headers=headers, content_type=options.get("content_type", FORM))


PATH = f"/webhooks/twilio/status?m={'1' * 32}"
INBOUND = "/webhooks/twilio/inbound"


def test_a_signed_status_is_kept_and_an_unknown_id_is_fine(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services)

    answers = [post(hooks, PATH, form, signature(services, PATH, form)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Receipt)) == 1


def test_a_signed_text_is_stored_raw_once(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services, Body="2 left in the rain & <b>wet</b> Zoë ☔", MediaUrl0="", Future="x")
    del form["MessageStatus"]

    answers = [post(hooks, INBOUND, form, signature(services, INBOUND, form)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].text.endswith("<Response/>")
    with services.database.reading() as session:
        assert session.scalars(select(InboundMessage.body)).all() == [form["Body"]]


@pytest.mark.parametrize("signed", [None, "", "nonsense", "ÄÖ"])
def test_without_a_true_signature_it_is_403(signed: str | None, hooks: FlaskClient, services: Services) -> None:
    assert post(hooks, PATH, status_form(services), signed).status_code == 403


def test_a_signature_for_another_url_body_or_secret_is_403(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services)
    true = signature(services, PATH, form)
    wrong = [
        post(hooks, PATH + "1", form, true),
        post(hooks, PATH, form | {"MessageStatus": "failed"}, true),
        post(hooks, PATH, form | {"Extra": "1"}, true),
        post(hooks, PATH, form, signature(services, PATH, form, token="an old secret")),
    ]

    assert [answer.status_code for answer in wrong] == [403] * 4


def test_fields_cut_anew_under_the_same_signature_are_403(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services, Body="STOP")
    del form["MessageStatus"]
    recut = {name: value for name, value in form.items() if name not in {"Body", "From"}}
    recut["Body"] = f"STOPFrom{form['From']}"
    signed = signature(services, INBOUND, form)
    assert signature(services, INBOUND, recut) == signed

    assert post(hooks, INBOUND, recut, signed).status_code == 403


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain", ""])
def test_another_content_type_is_415(kind: str, hooks: FlaskClient, services: Services) -> None:
    form = status_form(services)

    assert post(hooks, PATH, form, signature(services, PATH, form), content_type=kind).status_code == 415


@pytest.mark.parametrize(
    "fields",
    [
        {"MessageSid": "SM1"},
        {"MessageSid": "XX" + "a" * 32},
        {"AccountSid": "AC" + "f" * 32},
        {"To": "whatsapp:+12015550111"},
        {"MessageStatus": "a b"},
        {"ErrorCode": "1; drop"},
    ],
)
def test_a_signed_form_of_a_strange_shape_is_403(
    fields: dict[str, str], hooks: FlaskClient, services: Services
) -> None:
    form = status_form(services, **fields)

    assert post(hooks, PATH, form, signature(services, PATH, form)).status_code == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"From": "JUNIPER"},
        {"From": "12345"},
        {"From": "", "ErrorCode": ""},
        {"To": ""},
        {"MessageSid": "MM" + "AB" * 16},
        {"MessagingServiceSid": "MG" + "a" * 32, "RawDlrDoneDate": "2603041800", "Price": "-0.0079"},
    ],
)
def test_what_twilio_may_say_otherwise_is_accepted(
    fields: dict[str, str], hooks: FlaskClient, services: Services
) -> None:
    form = status_form(services, **fields)

    assert post(hooks, PATH, form, signature(services, PATH, form)).status_code == 204


def test_a_body_over_64_kb_is_413(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services, Body="x" * 70_000)

    assert post(hooks, PATH, form, signature(services, PATH, form)).status_code == 413


def test_a_status_nobody_knows_is_kept_and_answered(hooks: FlaskClient, services: Services) -> None:
    form = status_form(services, MessageStatus="teleported")

    assert post(hooks, PATH, form, signature(services, PATH, form)).status_code == 204
