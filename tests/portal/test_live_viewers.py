"""What a stream's bytes are made of."""

import pytest

from portal.live_viewers import message


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_no_line_end_in_a_text_can_begin_an_event_of_its_own(end: str) -> None:
    text = f"<p>hello{end}{end}event: gone{end}data: closed</p>"
    assert message(text) == b"data: <p>hello\ndata: \ndata: event: gone\ndata: data: closed</p>\n\n"
