"""What staff read about how far a message came."""

from datetime import UTC, datetime

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


@pytest.mark.parametrize(
    ("at", "now", "shown"),
    [
        (datetime(2026, 3, 5, 19, tzinfo=UTC), datetime(2026, 3, 5, 20, tzinfo=UTC), "2:00\xa0pm"),
        (datetime(2026, 3, 4, 19, tzinfo=UTC), datetime(2026, 3, 5, 20, tzinfo=UTC), "Wed 4 Mar, 2:00\xa0pm"),
        (datetime(2025, 12, 30, 19, tzinfo=UTC), datetime(2026, 1, 2, 20, tzinfo=UTC), "Tue 30 Dec 2025, 2:00\xa0pm"),
        # The last evening of the year where the parcel goes, though UTC has the next year already.
        (datetime(2026, 1, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, 3, tzinfo=UTC), "9:00\xa0pm"),
        (datetime(2025, 12, 30, 19, tzinfo=UTC), datetime(2026, 1, 1, 3, tzinfo=UTC), "Tue 30 Dec, 2:00\xa0pm"),
    ],
)
def test_a_moment_has_its_day_and_its_year_when_they_are_others(at: datetime, now: datetime, shown: str) -> None:
    assert words.moment(at, "America/New_York", now) == shown
