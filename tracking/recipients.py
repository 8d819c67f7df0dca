"""Phone numbers and email addresses of recipients and drivers, in the one form they are stored in."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

MAX_PHONE_LENGTH = 40  # longer than any way to write a number; the parser is not shown more
# Kept free for examples by their numbering plans, so no validity table holds all of them (messaging.md 4.4).
_EXAMPLE_NUMBERS = re.compile(r"\+(1(?!900|8(?:00|33|44|55|66|77|88))[2-9][0-9]{2}55501[0-9]{2}|447700900[0-9]{3})")
_UNREACHABLE = {
    PhoneNumberType.TOLL_FREE: "is a toll-free number, which cannot get texts",
    PhoneNumberType.PREMIUM_RATE: "is a premium-rate number",
    PhoneNumberType.SHARED_COST: "is a shared-cost number",
    PhoneNumberType.UAN: "is a company's service number",
    PhoneNumberType.VOICEMAIL: "is a voicemail number",
    PhoneNumberType.PAGER: "is a pager",
}


@lru_cache(maxsize=4096)
def normal_phone(text: str, region: str) -> str:
    """Return the number in E.164. ``region`` (ISO 3166, such as ``GB``) reads numbers without a country code.

    Raises ``ValueError`` whose text finds the reason, to be read after "the phone number".
    """
    shown = "".join(letter for letter in text if unicodedata.category(letter) not in {"Cf", "Cc"}).strip()
    if len(shown) > MAX_PHONE_LENGTH:
        raise ValueError("is too long")
    try:
        number = phonenumbers.parse(shown, region)
    except NumberParseException:
        raise ValueError("is not a phone number") from None
    if number.extension:
        raise ValueError("has an extension, which texts cannot reach")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not _EXAMPLE_NUMBERS.fullmatch(e164):
        _require_reachable(number)
    return e164


def _require_reachable(number: PhoneNumber) -> None:
    if not phonenumbers.is_possible_number(number):
        raise ValueError("has the wrong number of digits")
    if not phonenumbers.is_valid_number(number):
        raise ValueError("is not in use in its country")
    reason = _UNREACHABLE.get(phonenumbers.number_type(number))
    if reason is not None:
        raise ValueError(reason)


def normal_email(text: str) -> str:
    """Return the address as mail servers compare it: lower-case ASCII domain, the part before the @ as it is.

    Raises ``ValueError`` with the reason as a sentence. Whether a mailbox is there is not asked.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    if found.ascii_email is None:
        raise ValueError("The address cannot be written in ASCII.")
    return found.ascii_email
