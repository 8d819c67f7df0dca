"""Pictures by MMS: what fetches them, and which addresses a webhook may name."""

from messaging.channels.twilio_media import TwilioMedia
from messaging.chat_pictures import MOST_IN_A_LINE
from portal.settings import Settings


def twilio_media(settings: Settings) -> TwilioMedia:
    """Return what fetches this account's media."""
    return TwilioMedia(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_tokens[-1],
        api_url=settings.twilio_api_url,
        timeout_s=settings.send_timeout_s,
    )


def media_urls(form: dict[str, str], settings: Settings) -> list[str]:
    """Return the addresses of the pictures of an inbound message, in order; any that is not our account's is left out.

    What is no picture is found out when it is fetched.
    """
    count = form.get("NumMedia", "0")
    number = min(int(count), MOST_IN_A_LINE) if count.isascii() and count.isdigit() and len(count) < 4 else 0
    media = twilio_media(settings)
    named = [form.get(f"MediaUrl{index}", "") for index in range(number)]
    return [url for url in named if media.is_ours(url)]
