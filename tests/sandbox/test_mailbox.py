import smtplib
from email.message import EmailMessage

import pytest


def mail(to="anna@example.net"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "deliveries@example.com", to, "Mañana llega tu paquete"
    message["Message-ID"] = "<1@example.com>"
    message.set_content("Plain words, ñ")
    message.add_alternative("<p>Rich words</p>", subtype="html")
    return message


@pytest.fixture
def smtp(world):
    with smtplib.SMTP("127.0.0.1", world.outside.mailbox.port, timeout=60) as smtp:
        yield smtp


def test_a_mail_is_kept_with_envelope_parts_and_source(world, smtp):
    smtp.send_message(mail(), from_addr="b+1@bounce.example.com")

    kept = world.wait_for_mail(to="anna@example.net")
    assert (kept.sender, kept.subject, kept.id) == (
        "b+1@bounce.example.com",
        "Mañana llega tu paquete",
        "<1@example.com>",
    )
    assert kept.text.strip() == "Plain words, ñ"
    assert kept.html.strip() == "<p>Rich words</p>"
    assert kept.message["To"] == "anna@example.net"


@pytest.mark.parametrize(("address", "code"), [("bounce-1@example.net", 550), ("later-1@example.net", 450)])
def test_some_addresses_are_refused_or_deferred(world, smtp, address, code):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        smtp.send_message(mail(address))

    assert refused.value.recipients[address][0] == code
    assert world.mails() == []


@pytest.mark.parametrize(("kind", "kept"), [("mail_drop", 0), ("mail_drop_after", 1)])
def test_a_connection_lost_after_data_tells_nothing_of_whether_it_was_kept(world, kind, kept):
    world.fault(kind)
    smtp = smtplib.SMTP("127.0.0.1", world.outside.mailbox.port, timeout=60)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.send_message(mail())

    smtp.close()
    assert len(world.mails()) == kept
