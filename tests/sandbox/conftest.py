"""A world outside, a listener in the portal's place, and the real Twilio client between them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from sandbox.world import PATIENCE_S, World


class Listener:
    """Records the form posts it gets; answers ``status`` and ``answer``."""

    def __init__(self) -> None:
        self.posts: list[dict] = []
        self.statuses: list[int] = []
        self.answer = "<Response/>"
        self._changed = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                status = listener.note({"path": self.path, "form": form, "headers": dict(self.headers)})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(listener.answer.encode())

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def note(self, post: dict) -> int:
        with self._changed:
            self.posts.append(post)
            self._changed.notify_all()
            return self.statuses.pop(0) if self.statuses else 200

    def wait_for(self, count: int, timeout_s: float = PATIENCE_S) -> list[dict]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posts) >= count, timeout_s), self.posts
            return list(self.posts)

    def statuses_told(self, count: int) -> list[str]:
        return [post["form"]["MessageStatus"] for post in self.wait_for(count)]


@pytest.fixture
def world() -> Iterator[World]:
    with World(pace=0.01) as world:
        yield world


@pytest.fixture
def portal(world: World) -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    world.set_portal(listener.url)
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


def client_of(world: World) -> Client:
    client = Client(world.account_sid, world.auth_token, http_client=TwilioHttpClient(timeout=PATIENCE_S))
    client.api.base_url = world.twilio_url
    return client


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    client = client_of(world)
    yield client
    client.http_client.session.close()


@pytest.fixture
def connect() -> object:
    """The function that makes a client of another world."""
    return client_of
