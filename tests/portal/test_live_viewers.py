"""What a stream's bytes are made of, and what happens to a viewer who does not read them."""

import asyncio
from contextlib import closing
from socket import SO_RCVBUF, SOL_SOCKET, socket, socketpair

import pytest

from portal.live_viewers import END, LARGEST_BACKLOG, Viewer, chunk, message


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_no_line_end_in_a_text_can_begin_an_event_of_its_own(end: str) -> None:
    text = f"<p>hello{end}{end}event: gone{end}data: closed</p>"
    assert message(text) == b"data: <p>hello\ndata: \ndata: event: gone\ndata: data: closed</p>\n\n"


def test_a_chunk_says_its_length_in_hexadecimal() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_places_are_conflated_and_lines_are_not() -> None:
    viewer = Viewer(number=1)
    for number in range(3):
        viewer.tell(f"line {number};".encode())
        viewer.tell_place("", f"place {number};".encode())
    assert viewer.waiting() == b"line 0;line 1;line 2;place 2;"


def test_a_viewer_who_is_hung_up_on_gets_what_waited_and_nothing_after() -> None:
    viewer = Viewer(number=1)
    viewer.tell(b"line;")
    viewer.hang_up(b"over;")
    viewer.tell(b"too late;")
    assert viewer.waiting() == b"line;over;" + END


def test_what_waits_for_somebody_whose_link_was_revoked_is_thrown_away() -> None:
    viewer = Viewer(number=1)
    viewer.tell(b"line;")
    viewer.tell_place("", b"place;")
    viewer.hang_up(b"closed;", forgets=True)
    assert viewer.waiting() == b"closed;" + END


class Left:
    """Hears that a viewer is gone."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def __call__(self, _viewer: Viewer) -> None:
        self.event.set()


async def joined(left: Left) -> tuple[Viewer, socket]:
    """Return a viewer on a real connection, and the end that a slow reader holds: it takes 4 kB."""
    ours, theirs = socketpair()
    theirs.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    viewer = Viewer(number=1, left=left)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: viewer, sock=ours)
    viewer.start(transport, b"head;")
    return viewer, theirs


def test_a_viewer_who_does_not_read_is_cut_off_with_bounded_buffers() -> None:
    async def scenario() -> None:
        left = Left()
        viewer, theirs = await joined(left)
        with closing(theirs):
            for _ in range(1000):
                viewer.tell(b"x" * 4096)
                if viewer.is_ending:
                    break
            assert viewer.is_ending
            assert len(viewer.waiting()) <= LARGEST_BACKLOG
            async with asyncio.timeout(60):
                await left.event.wait()

    asyncio.run(scenario())


def test_a_slow_reader_gets_the_newest_place_only_once_they_read_again() -> None:
    async def scenario() -> None:
        viewer, theirs = await joined(Left())
        theirs.setblocking(False)
        with closing(theirs):
            number = 0
            while not viewer.waiting():  # the socket is not full yet
                number += 1
                viewer.tell_place("", f"{number:08};".encode() * 500)
            for later in range(number + 1, number + 100):
                viewer.tell_place("", f"{later:08};".encode() * 500)
            newest, seen = f"{number + 99:08};".encode(), b""
            async with asyncio.timeout(60):
                while newest not in seen:
                    seen += await asyncio.get_running_loop().sock_recv(theirs, 65536)
            assert f"{number + 98:08};".encode() not in seen

    asyncio.run(scenario())


def test_a_viewer_who_leaves_is_forgotten_once() -> None:
    async def scenario() -> None:
        left = Left()
        viewer, theirs = await joined(left)
        theirs.close()
        async with asyncio.timeout(60):
            await left.event.wait()
        viewer.tell(b"nobody hears this")
        assert viewer.waiting() == b""

    asyncio.run(scenario())
