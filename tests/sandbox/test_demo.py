import asyncio
import os

import pytest

from sandbox.children import ChildFailed, Children
from sandbox.demo import NotLoopback, require_loopback

HOME = {
    "PORTAL_TWILIO_API_URL": "http://127.0.0.1:8026",
    "PORTAL_SMTP_URL": "smtp://localhost:8027",
    "PORTAL_PUBLIC_URL": "http://[::1]:8025",
}


@pytest.mark.parametrize("name", list(HOME))
@pytest.mark.parametrize("value", ["https://api.twilio.com", "", "smtp://mail.example.com:25"])
def test_the_demo_refuses_to_reach_out_of_this_machine(name, value):
    require_loopback(HOME)

    with pytest.raises(NotLoopback, match=name):
        require_loopback({**HOME, name: value})


@pytest.fixture
def children(tmp_path):
    return Children(environ=dict(os.environ), logs=tmp_path)


def test_a_command_that_fails_tells_the_end_of_what_it_said(children):
    with pytest.raises(ChildFailed, match=r"init failed:\nthe disk is full"):
        asyncio.run(children.run("init", ("-c", "import sys; sys.exit('the disk is full')")))


def test_a_process_that_ends_by_itself_is_noticed(children):
    async def play():
        await children.start("web", ("-c", "print('port is taken'); raise SystemExit(3)"))
        await children._running["web"].wait()
        children.check()

    with pytest.raises(ChildFailed, match=r"web ended with 3:\nport is taken"):
        asyncio.run(play())


def test_ending_lets_a_process_finish_its_work(children, tmp_path):
    script = (
        "import signal, sys, time\n"
        "def end(*_): print('tidied up', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True)\n"
        "time.sleep(60)"
    )

    async def play():
        await children.start("worker", ("-c", script))
        async with asyncio.timeout(60):
            while "ready" not in (tmp_path / "worker.log").read_text():
                await asyncio.sleep(0.02)
        await children.end()

    asyncio.run(play())

    assert "tidied up" in (tmp_path / "worker.log").read_text()
