"""Twilio's webhooks: verified, recorded, and a wake-up; what it means is decided elsewhere. Never a 500."""

import re

import structlog
from flask import Blueprint, Response, request

from messaging import receipts
from messaging.channels.names import TWILIO
from messaging.channels.twilio_words import REASONS, STATUSES
from messaging.chat_pictures import expect_pictures
from messaging.consent import pepper_of
from messaging.inbound import record_inbound
from messaging.kinds import Channel
from messaging.notifications import NotificationStatus
from messaging.receipts import Word
from portal.mms import media_urls
from portal.services import services
from portal.webhook_gate import verified_form
from tracking.facts import delivery_changed, publish
from tracking.ids import new_id

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks/twilio")
log = structlog.get_logger()
_OURS = re.compile(r"[0-9a-f]{32}")
SILENCE = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@blueprint.post("/status")
def status() -> Response:
    """Record what became of a text. An id nobody knows is answered 204 and only kept."""
    form = _form("MessageSid", "MessageStatus")
    mine = services()
    word = _word(form, request.args.get("m", ""))
    if word.raw_status not in STATUSES:
        log.warning("unknown status", provider=TWILIO)
    with mine.database.writing() as session:
        pepper = pepper_of(mine.settings.secret_keys)
        now, elapsed = mine.clock.now(), mine.clock.elapsed()
        moved = receipts.record(session, word, now=now, ids=new_id, pepper=pepper, elapsed=elapsed)
    if moved is not None and moved.delivery_id is not None:
        publish(mine.redis, [delivery_changed(moved.delivery_id)])
        if moved.status in {NotificationStatus.UNDELIVERED, NotificationStatus.FAILED}:
            mine.wake.send(Channel.EMAIL)
    return Response(status=204)


@blueprint.post("/inbound")
def inbound() -> Response:
    """Store a text raw and let it be read; the answer, if any, goes out through the outbox."""
    form = _form("MessageSid", "From", "To", "Body")
    mine = services()
    pictures = media_urls(form, mine.settings)
    with mine.database.writing() as session:
        inbound_id = record_inbound(
            session,
            inbound_id=new_id(),
            channel=Channel.SMS,
            provider_ref=form["MessageSid"],
            from_address=form["From"],
            to_address=form["To"],
            body=form["Body"],
            opt_out_type=form.get("OptOutType", ""),
            received_at=mine.clock.now(),
        )
        if inbound_id is not None and pictures:
            expect_pictures(session, inbound_id, pictures, now=mine.clock.now(), ids=new_id)
    if inbound_id is not None:
        mine.wake.read_inbound(inbound_id)
    if inbound_id is not None and pictures:
        mine.wake.fetch_pictures()
    return Response(SILENCE, content_type="text/xml")


def _form(*required: str) -> dict[str, str]:
    settings = services().settings
    return verified_form(
        request,
        public_url=settings.public_url,
        auth_tokens=settings.twilio_auth_tokens,
        account_sid=settings.twilio_account_sid,
        required=required,
    )


def _word(form: dict[str, str], ours: str) -> Word:
    raw, code = form["MessageStatus"], form.get("ErrorCode", "")
    return Word(
        provider=TWILIO,
        provider_ref=form["MessageSid"],
        raw_status=raw,
        status=STATUSES.get(raw),
        error_code=code,
        reason=REASONS.get(code, ""),
        notification_id=ours if _OURS.fullmatch(ours) else None,
    )
