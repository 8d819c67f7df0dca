"""The headers of every answer, and who may POST."""

import pytest
from flask.testing import FlaskClient

from portal.security import comes_from
from portal.settings import Settings

PUBLIC_PATHS = ["/", "/robots.txt", "/staff/login", "/t/garbage", "/d/garbage", "/healthz", "/nothing-here"]


@pytest.mark.parametrize("path", PUBLIC_PATHS)
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "strict-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in headers["Cache-Control"]


def test_nonce_differs_between_answers(client: FlaskClient) -> None:
    first, second = (client.get("/").headers["Content-Security-Policy"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("origin", "site", "allowed"),
    [
        ("http://127.0.0.1:8000", "same-origin", True),
        (None, None, True),
        ("http://127.0.0.1:8000", None, True),
        ("https://evil.example", None, False),
        (None, "cross-site", False),
        ("http://127.0.0.1:8000", "cross-site", False),
        ("http://127.0.0.1:8000", "same-site", False),
        ("null", None, False),
    ],
)
def test_post_of_another_site_is_refused(origin: str | None, site: str | None, allowed: bool) -> None:
    assert comes_from("http://127.0.0.1:8000", origin=origin, site=site) is allowed


@pytest.mark.parametrize("path", ["/staff/login", "/t/x/messages", "/d/start"])
def test_foreign_post_is_403_before_anything_else(client: FlaskClient, settings: Settings, path: str) -> None:
    assert client.post(path, headers={"Origin": "https://evil.example"}).status_code == 403


def test_unknown_forged_and_malformed_links_get_the_same_answer(client: FlaskClient) -> None:
    answers = [client.get(f"/t/{token}") for token in ("x", "0123456789A." + "A" * 22, "%00", "a" * 300)]
    assert {answer.status_code for answer in answers} == {404}
    bodies = {answer.data for answer in answers}
    assert len(bodies) == 1
