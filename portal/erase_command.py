"""``portal erase``: take one person out of everything, and say in plain words what stays and why."""

import sys

from messaging.contacts import masked
from portal.erasing import Look, erase, look
from portal.redacting import redact
from portal.services import Services
from tracking.erasing import Person
from tracking.recipients import normal_email, normal_phone

WORD = "erase"  # what somebody types to mean it
MOST_SHOWN = 20
STAYS = (
    "The record of who opted out: only as a hash that cannot be turned back, so that we never write to them again.",
    "Custody, times and your own reference: what happened to the goods, without name, place or words.",
    "Scores, counts and how long things took: numbers of nobody.",
    "Who of staff looked at what, and when: the audit trail. It holds ids only.",
    "Positions of the driver's phone, for 30 days: they say where the truck was, not who lives there.",
    "Backups you made before, until you delete them; at Twilio up to 30 days in their own.",
)


def person_of(told: str, *, is_reference: bool, region: str) -> Person:
    """Return whom a phone, a mail address or a delivery's reference means. Raises ``ValueError`` with a sentence."""
    told = told.strip()
    if is_reference:
        return Person(reference=told)
    if "@" in told:
        return Person(email=normal_email(told))
    if told.startswith("+") or told.replace(" ", "").replace("-", "").isdigit():
        return Person(phone=_phone(told, region))
    return Person(reference=told)


def _phone(told: str, region: str) -> str:
    try:
        return normal_phone(told, region)
    except ValueError as error:
        raise ValueError(f"The phone number {error}.") from None


def erase_person(services: Services, told: str, *, is_reference: bool, is_sure: bool, is_dry: bool) -> int:
    """Show what would go, ask, and erase; return 0 when done or only looked, 1 when it could not be done."""
    try:
        person = person_of(told, is_reference=is_reference, region=services.settings.default_region)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    found = look(services, person)
    if found.is_empty:
        print("Nothing here knows this person.")
        return 0
    _show(found)
    if found.still_open:
        print(
            "\nNothing was changed: the goods are still to be brought. Cancel those deliveries, or wait.",
            file=sys.stderr,
        )
        return 1
    if is_dry or not (is_sure or _asked()):
        print("\nNothing was changed. `--yes` does it without asking.")
        return 0
    return _erase(services, person)


def _show(found: Look) -> None:
    print(f"Deliveries: {len(found.deliveries)}")
    for one in found.deliveries[:MOST_SHOWN]:
        reach = ", ".join(masked(address) for address in (one.phone, one.email) if address)
        state = f"{one.status.value}, STILL OPEN" if one in found.still_open else one.status.value
        print(f"  {one.reference} of {one.service_on}, {state}: {reach}")
    if len(found.deliveries) > MOST_SHOWN:
        print(f"  and {len(found.deliveries) - MOST_SHOWN} more")
    print(f"Texts and mails to them: {found.counts['messages']}, from them: {found.counts['inbound']}")
    print(f"Chat lines: {found.counts['lines']}")
    print("Names, numbers, addresses, notes, comments, photos, signatures and words of all these would go.")


def _asked() -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f'This cannot be undone. Type "{WORD}" to do it: ').strip() == WORD


def _erase(services: Services, person: Person) -> int:
    done = erase(services, person)
    gone, waiting = redact(services)
    deliveries = "1 delivery" if done.deliveries == 1 else f"{done.deliveries} deliveries"
    print(f"\nErased: {deliveries}, {done.words.messages} texts and mails to them,")
    print(f"  {done.words.inbound} from them, {done.words.lines} chat lines, {done.files} photos and signatures.")
    print(f"At Twilio: {gone} messages deleted, {waiting} still to be deleted.")
    if waiting:
        print("  Twilio deletes only what is at its end. It is tried again each night, and by `portal retain --yes`.")
    if done.words.on_their_way:
        print(f"  {done.words.on_their_way} messages are on their way: they go tonight, or by `portal retain --yes`.")
    if done.shared_stops:
        print(f"  {done.shared_stops} addresses stay: somebody else gets deliveries there too.")
    print("\nWhat stays, and why:")
    for sentence in STAYS:
        print(f"  - {sentence}")
    return 0
