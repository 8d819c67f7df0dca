"""Pictures by MMS: which addresses a webhook may name."""

from messaging.channels.twilio_places import media_home
from messaging.chat_pictures import MOST_IN_A_LINE
from portal.settings import Settings


def media_urls(form: dict[str, str], settings: Settings) -> list[str]:
    """Return the addresses of the pictures of an inbound message, in order; any that is not our account's is left out.

    What is no picture is found out when it is fetched.
    """
    count = form.get("NumMedia", "0")
    number = min(int(count), MOST_IN_A_LINE) if count.isascii() and count.isdigit() and len(count) < 4 else 0
    home = media_home(settings.twilio_account_sid, settings.twilio_api_url)
    named = [form.get(f"MediaUrl{index}", "") for index in range(number)]
    return [url for url in named if home.holds(url)]
