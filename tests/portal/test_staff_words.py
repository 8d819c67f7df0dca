"""What staff read about how far a message came."""

import pytest

from messaging.kinds import Channel
from messaging.notifications import NotificationStatus
from portal.staff import words


@pytest.mark.parametrize(
    ("channel", "expected"),
    [(Channel.EMAIL, words.Badge("Sent")), (Channel.SMS, words.Badge("Sent, no receipt yet", "info"))],
)
def test_a_mail_that_was_sent_waits_for_no_receipt_and_a_text_does(channel: Channel, expected: words.Badge) -> None:
    assert words.notification(NotificationStatus.SENT, channel) == expected
    assert words.notification("sent", channel.value) == expected  # as a case keeps it


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("status", [status for status in NotificationStatus if status is not NotificationStatus.SENT])
def test_every_other_state_is_said_alike_of_both(channel: Channel, status: NotificationStatus) -> None:
    assert words.notification(status, channel) is words.NOTIFICATION[status]
