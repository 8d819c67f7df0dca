"""The ways out as this instance is set up: Twilio for texts, a mail server for mails. Build them in a running loop."""

from email.utils import parseaddr

from messaging.channels.smtp import SmtpMail
from messaging.channels.twilio import TwilioSms
from messaging.channels.twilio_media import TwilioMedia
from messaging.return_addresses import ReturnAddresses
from portal.services import Services
from portal.settings import Settings


def texts_out(services: Services) -> TwilioSms:
    """Return the way out for texts."""
    settings = services.settings
    return TwilioSms(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_tokens[-1],
        sender=settings.sms_from,
        messaging_service_sid=settings.twilio_messaging_service_sid,
        public_url=settings.public_url,
        api_url=settings.twilio_api_url,
        send_timeout_s=settings.send_timeout_s,
    )


def mails_out(services: Services) -> SmtpMail:
    """Return the way out for mails."""
    settings = services.settings
    return SmtpMail(
        url=settings.smtp_url,
        mail_from=settings.mail_from,
        company_name=settings.company_name,
        reply_to=settings.support_email,
        send_timeout_s=settings.send_timeout_s,
        clock=services.clock,
        returns=return_addresses(settings),
        takes_mail=bool(settings.bounce_domain),
    )


def return_addresses(settings: Settings) -> ReturnAddresses:
    """Return the addresses that mails come back to: on their own domain, else on that of the sender."""
    own = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    return ReturnAddresses(settings.secret_keys, settings.bounce_domain or own)


def twilio_media(settings: Settings) -> TwilioMedia:
    """Return what fetches this account's media."""
    return TwilioMedia(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_tokens[-1],
        api_url=settings.twilio_api_url,
        timeout_s=settings.send_timeout_s,
    )
