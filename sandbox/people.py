"""The made-up people of the demo and the part each plays. Numbers are of the range reserved for fiction."""

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a recipient does when nobody plays them."""

    HAPPY = "happy"  # rates 5
    QUIET = "quiet"  # a bare digit, later
    CHATTY = "chatty"  # writes to the driver by text
    PAGE_CHATTY = "page_chatty"  # writes to the driver on the page
    GATE = "gate"  # leaves a gate code the evening before
    UNHAPPY = "unhappy"  # rates 2 with a reason
    PAGE_RATER = "page_rater"  # rates on the page
    ABSENT = "absent"  # not at home: the attempt fails
    SILENT = "silent"  # never answers


@dataclass(frozen=True)
class Person:
    """One recipient. ``phone_state`` marks a number that gets no texts, as in ``sandbox.carrier``."""

    name: str
    locale: str
    part: Part
    has_phone: bool = True
    has_email: bool = True
    phone_state: str = "ok"

    @property
    def email(self) -> str:
        plain = self.name.lower().translate(str.maketrans("áéíóúñü' ", "aeiounu-."))
        return f"{plain}@example.net"


RECIPIENTS = (
    Person("Anna Becker", "en", Part.CHATTY),
    Person("Luis Ortega", "es", Part.HAPPY),
    Person("Priya Raman", "en", Part.GATE),
    Person("Tom Whitaker", "en", Part.UNHAPPY),
    Person("Carmen Rojas", "es", Part.CHATTY),
    Person("Grace Okafor", "en", Part.PAGE_RATER),
    Person("Samuel Green", "en", Part.QUIET),
    Person("Mei Lin Zhou", "en", Part.PAGE_CHATTY),
    Person("Diego Núñez", "es", Part.GATE),
    Person("Hannah Fisher", "en", Part.HAPPY, has_email=False),
    Person("Marcus Bell", "en", Part.ABSENT),
    Person("Rosa Delgado", "es", Part.PAGE_RATER, has_phone=False),
    Person("Oliver Grant", "en", Part.QUIET),
    Person("Fatima Haddad", "en", Part.HAPPY),
    Person("Jorge Peña", "es", Part.UNHAPPY),
    Person("Ellen O'Shea", "en", Part.PAGE_RATER, phone_state="landline"),
    Person("Kenji Mori", "en", Part.CHATTY),
    Person("Lucía Vargas", "es", Part.QUIET),
    Person("Daniel Abrams", "en", Part.HAPPY),
    Person("Nadia Petrov", "en", Part.GATE),
    Person("Isabel Campos", "es", Part.HAPPY),
    Person("William Price", "en", Part.SILENT),
    Person("Aisha Khan", "en", Part.PAGE_CHATTY),
    Person("Pablo Soto", "es", Part.HAPPY, has_email=False),
    Person("Julia Novak", "en", Part.QUIET),
)
DRIVERS = ("Rosalie Turner", "Miguel Santos", "Dwayne Carter")

ITEMS = (
    "2 boxes of books",
    "Floor lamp",
    "Coffee machine",
    "Bicycle trailer, 1 carton",
    "Winter tires, set of 4",
    "Garden chairs (2)",
    "Bookshelf, 2 cartons",
    "Kitchen scale; baking set",
    "Monitor 27 inch",
    "Pet food, 15 kg",
    "Curtains",
    "Toolbox",
    "Baby seat",
)
INSTRUCTIONS = (
    "",
    "",
    "Ring twice, the bell is quiet",
    "",
    "Side door on the left",
    "",
    "Please do not leave outside",
    "",
)
