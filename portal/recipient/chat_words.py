"""Chat lines and the chat's state as the recipient reads them, in their language."""

from dataclasses import dataclass
from datetime import datetime

from messaging.chat_pictures import Shown
from messaging.chat_states import ChatState
from messaging.conversations import ChatLine, Voice
from messaging.threads import LOST, OUT
from portal.i18n import Tongue


@dataclass(frozen=True, slots=True)
class Said:
    """One line to show. ``side`` is mine, theirs or system; ``seen`` a sentence, empty while nobody has."""

    id: int
    side: str
    is_support: bool
    author: str
    body: str
    at: datetime
    seen: str
    pictures: tuple[Shown, ...] = ()


def said(line: ChatLine, speak: Tongue, zone: str) -> Said:
    """Return ``line`` in the recipient's words."""
    side = "system" if line.voice is Voice.SYSTEM else "mine" if line.is_mine else "theirs"
    is_support = line.voice is Voice.SUPPORT
    author = speak.say("You") if line.is_mine else speak.say("Support") if is_support else line.author
    return Said(
        id=line.id,
        side=side,
        is_support=is_support,
        author=author,
        body=line.body,
        at=line.at,
        seen=_seen(line, speak, zone) if line.is_mine else "",
        pictures=line.pictures,
    )


def _seen(line: ChatLine, speak: Tongue, zone: str) -> str:
    if line.seen_at is None:
        return _carried(line, speak)
    clock_time = speak.clock_time(line.seen_at, zone)
    if line.seen_by == "driver":
        return speak.say("Seen by the driver at %(time)s", time=clock_time)
    return speak.say("Seen by support at %(time)s", time=clock_time)


def _carried(line: ChatLine, speak: Tongue) -> str:
    """Return how a line that nobody has seen on a page travels: it goes on as a text when it waits too long."""
    if line.carried_status in OUT:
        return speak.say("Sent to the driver as a text")
    if line.carried_status in LOST:
        return speak.say("Not delivered to the driver's phone. Support sees it.")
    return speak.say("Sent")


def state_sentence(state: ChatState, driver: str, contact: str, speak: Tongue) -> str:
    """Return who reads what the recipient writes now."""
    say = speak.say
    if state.code == "closed":
        return (
            say("This chat is closed. You can reach us at %(contact)s.", contact=contact)
            if contact
            else say("This chat is closed.")
        )
    sentences = {
        "driver": say("You are writing with %(driver)s, your driver.", driver=driver),
        "driving": say("%(driver)s is driving and will see it at the next stop.", driver=driver),
        "taken_over": say("Our support team reads your messages."),
        "after": say("The driver is done. Our support team reads your messages."),
        "before": say("The driver is not on the way yet. Our support team reads your messages."),
    }
    return sentences.get(state.code, state.sentence)
