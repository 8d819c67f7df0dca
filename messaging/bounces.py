"""Bounces: mails that come back, read as far as they can be trusted (RFC 3464; RFC 3834 for what is no bounce).

Whose mail it was is told by the signed return address alone, never by anything a stranger could write. The people's
words in a bounce are not kept: only its code, and our own words for it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from enum import StrEnum

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.channels.letters import message_id
from messaging.channels.names import SMTP
from messaging.consent import ConsentAction, contact_hash, has_opted_out, note_consent
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from messaging.receipts import Word, record
from messaging.return_addresses import Purpose, ReturnAddresses
from tracking.actors import Actor, ActorKind
from tracking.deliveries import mark_plan_dirty

log = structlog.get_logger()

DEAD_FOR = timedelta(days=30)  # then an address is tried again (our choice)
LARGEST = 512 * 1024  # bytes that are read of a mail: a bounce says what it says at its beginning (our choice)
TEXT_READ = 8_000  # characters of an old-style bounce that are looked at
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_OLD_CODE = re.compile(r"(?<![\d.])(?:55[0-4]|5\.[1-7]\.\d{1,2})(?![\d.])")
_OLD_WORDS = re.compile(
    r"user unknown|no such user|unknown (?:user|recipient|address)|(?:mailbox|address|recipient|account)[^.\n]{0,40}"
    r"(?:does not exist|doesn.t exist|not found|unavailable|disabled)|mailbox (?:is )?full|over quota",
    re.IGNORECASE,
)
_POSTMASTERS = re.compile(r"\b(?:mailer-daemon|postmaster|mail delivery (?:sub)?system)\b", re.IGNORECASE)
_NO_SENDER = frozenset({"", "MAILER-DAEMON"})  # the second is what Postfix calls it to commands (pipe(8))
REASONS = {
    "1": "the mail address does not exist",
    "2": "the mailbox takes no mail, or is full",
    "3": "the other mail server has a trouble",
    "4": "the mail could not be brought in time",
    "5": "the mail servers did not understand each other",
    "6": "the other mail server does not take such mail",
    "7": "the other mail server refused our mail",
}


def bounced_addresses(session: Session, addresses: Sequence[str], now: datetime) -> set[str]:
    """Return those mail addresses that a mail of ours came back from lately because they do not exist."""
    if not addresses:
        return set()
    dead = select(Notification.to_address).where(
        Notification.to_address.in_(addresses),
        Notification.created_at > now - DEAD_FOR,
        Notification.channel == Channel.EMAIL,
        Notification.status == NotificationStatus.UNDELIVERED,
        Notification.error_code.like("5.1.%"),
    )
    return {address for address in session.scalars(dead) if address is not None}


class Verdict(StrEnum):
    """What a returned mail says of ours."""

    FAILED = "bounced"  # it will not arrive
    DELAYED = "delayed"  # it may still arrive
    TOLD = "told"  # it arrived, or was passed on
    NOTHING = "nothing"  # not a bounce: an auto-reply, a person's answer, a loop


@dataclass(frozen=True, slots=True)
class Bounce:
    """A verdict with its enhanced status code (RFC 3463), empty when none was given."""

    verdict: Verdict
    code: str = ""

    @property
    def reason(self) -> str:
        """Why, in our words."""
        return REASONS.get(self.code.split(".")[1] if self.code.count(".") == 2 else "", "the mail came back")


def take_mail(
    session: Session,
    raw: bytes,
    *,
    recipients: Sequence[str],
    sender: str | None,
    returns: ReturnAddresses,
    now: datetime,
    ids: Callable[[], str],
    pepper: str,
) -> Notification | None:
    """Act on a mail that came to a return address; return the notification that changed by it.

    ``recipients`` are the envelope's, best first; ``sender`` the envelope's, None when not known. What is forged, not
    ours or no bounce changes nothing.
    """
    mail = message_from_bytes(raw[:LARGEST])
    found = next(filter(None, map(returns.read, [*recipients, *_addressed(mail)])), None)
    if found is None:
        log.info("mail to no return address of ours")
        return None
    purpose, reference = found
    row = session.get(Notification, reference)
    if row is None or row.channel is not Channel.EMAIL:
        log.info("mail about an unknown notification", notification_id=reference)
        return None
    if purpose is Purpose.UNSUBSCRIBE:
        return _unsubscribe(session, row, mail, now=now, pepper=pepper)
    bounce = read_bounce(mail, sender=sender)
    log.info("mail came back", notification_id=row.id, verdict=bounce.verdict, code=bounce.code)
    if bounce.verdict is Verdict.NOTHING:
        return None
    failed = bounce.verdict is Verdict.FAILED
    word = Word(
        provider=SMTP,
        provider_ref=row.provider_ref or message_id(row.id, returns.domain),
        raw_status=bounce.verdict,
        status=NotificationStatus.UNDELIVERED if failed else None,
        error_code=bounce.code,
        reason=bounce.reason if failed else "",
        notification_id=row.id,
    )
    return record(session, word, now=now, ids=ids, pepper=pepper)


def read_bounce(mail: Message, *, sender: str | None) -> Bounce:
    """Return what a mail to a bounce address says. In doubt it says nothing."""
    if sender is not None and sender.strip().strip("<>").upper() not in _NO_SENDER:
        return Bounce(Verdict.NOTHING)  # a bounce has no sender of its own (RFC 5321 4.5.5)
    if str(mail.get("Auto-Submitted", "")).strip().lower().startswith("auto-replied") and not _is_report(mail):
        return Bounce(Verdict.NOTHING)
    fields = _recipient_fields(mail)
    if fields is not None:
        return _from_report(fields)
    return _from_words(mail, is_null_sender=sender is not None)


def _addressed(mail: Message) -> list[str]:
    """Return where a mail says that it went, for servers that do not tell by the envelope."""
    names = ("X-Original-To", "Delivered-To", "Envelope-To", "To")
    return [str(value) for name in names for value in mail.get_all(name, [])[:3]]


def _is_report(mail: Message) -> bool:
    return mail.get_content_type() == "multipart/report"


def _recipient_fields(mail: Message) -> list[Message] | None:
    """Return the per-recipient groups of a delivery report; None when there is no such part."""
    for part in mail.walk():
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}:
            groups = part.get_payload()
            return [group for group in groups if isinstance(group, Message)] if isinstance(groups, list) else []
    return None


def _from_report(groups: Sequence[Message]) -> Bounce:
    found = [_from_group(group) for group in groups if "Action" in group]
    for verdict in (Verdict.FAILED, Verdict.DELAYED, Verdict.TOLD):
        for bounce in found:
            if bounce.verdict is verdict:
                return bounce
    return Bounce(Verdict.NOTHING)


def _from_group(group: Message) -> Bounce:
    action = str(group.get("Action", "")).strip().lower()
    status = _STATUS.search(str(group.get("Status", ""))) or _STATUS.search(str(group.get("Diagnostic-Code", "")))
    code = status[1] if status else ""
    verdicts = {"failed": Verdict.FAILED, "delayed": Verdict.DELAYED}
    if action in {"delivered", "relayed", "expanded"}:
        return Bounce(Verdict.TOLD, code)
    return Bounce(verdicts.get(action, Verdict.NOTHING), code)


def _from_words(mail: Message, *, is_null_sender: bool) -> Bounce:
    """Read a bounce of the plain old kind: from a postmaster, with a 5xx code or words that leave no doubt."""
    if not _POSTMASTERS.search(str(mail.get("From", ""))):
        return Bounce(Verdict.NOTHING)
    text = _text(mail)
    code, said = _OLD_CODE.search(text), _OLD_WORDS.search(text)
    if code is None or (said is None and not is_null_sender):
        return Bounce(Verdict.NOTHING)
    enhanced = _STATUS.search(text)
    return Bounce(Verdict.FAILED, enhanced[1] if enhanced and enhanced[1].startswith("5") else "")


def _text(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return content[:TEXT_READ].decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return ""


def _unsubscribe(
    session: Session, row: Notification, mail: Message, *, now: datetime, pepper: str
) -> Notification | None:
    """End mail to the address this went to. A machine's answer ends nothing."""
    contact = contact_hash(row.to_address or "", pepper)
    automatic = str(mail.get("Auto-Submitted", "no")).strip().lower() != "no" or _is_report(mail)
    if automatic or not row.to_address or has_opted_out(session, contact, Channel.EMAIL):
        return None
    note_consent(
        session,
        contact=contact,
        channel=Channel.EMAIL,
        action=ConsentAction.OPT_OUT,
        source="email_mailto",
        actor=Actor(ActorKind.RECIPIENT, ""),
        now=now,
        evidence=row.id,
    )
    if row.delivery_id is not None:
        mark_plan_dirty(session, [row.delivery_id], now)
    log.info("mail ended by mail", notification_id=row.id)
    return row
