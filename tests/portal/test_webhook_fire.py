"""A small round of ``make prove-webhooks``: the same judge, fewer requests."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from bench.webhook_requests import Request
from bench.webhook_tricks import FORGERIES, TYPES
from bench.webhooks import ROOT, Gate, forge, fuzz, gate, signed_by_node
from tests.not_run import leave_out

REQUESTS = int(os.environ.get("WEBHOOK_REQUESTS", "600"))


@pytest.fixture
def at(tmp_path: Path, redis: Redis, redis_url: str) -> Iterator[Gate]:
    """The whole application, called in this process."""
    with gate(tmp_path, redis_url) as opened:
        yield opened


def test_no_broken_request_is_answered_with_5xx(at: Gate) -> None:
    answers = fuzz(at, REQUESTS, random.Random(5))

    assert max(answers) < 500
    assert min(answers[204], answers[200], answers[403]) > 0  # what is behind the gate is tried too


@settings(max_examples=REQUESTS // 4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    form=st.dictionaries(
        st.sampled_from(["MessageSid", "AccountSid", "From", "To", "Body", "MessageStatus", "ErrorCode"]), st.text()
    ),
    query=st.text(max_size=40),
    kind=st.sampled_from(TYPES),
    path=st.sampled_from(["/webhooks/twilio/status", "/webhooks/twilio/inbound"]),
)
def test_no_signed_form_at_all_is_answered_with_5xx(
    at: Gate, form: dict[str, str], query: str, kind: str | None, path: str
) -> None:
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode("utf-8", "surrogatepass")

    assert at.answer(Request(path, query, body, content_type=kind).signed()) < 500


def test_no_forgery_is_accepted(at: Gate) -> None:
    tried, accepted = forge(at, 10 * len(FORGERIES), random.Random(6))

    assert len(tried) == len(FORGERIES)
    assert +accepted == {}


def test_what_another_implementation_signed_is_accepted(at: Gate) -> None:
    if shutil.which("node") is None or not (ROOT / "node_modules/twilio").is_dir():
        leave_out("webhooks signed by npm's twilio", "node and node_modules are not here")
        pytest.skip("no node")

    assert {at.answer(request) for request in signed_by_node(40)} == {200, 204}
