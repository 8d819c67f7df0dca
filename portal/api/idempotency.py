"""``Idempotency-Key``: the same request again gets the first one's answer, and is done once."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from flask import Request, Response
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import IdempotentAnswer
from portal.api.answers import Refused
from portal.services import Services

KEPT = timedelta(days=7)
MAX_KEY_LENGTH = 120
BUSY_MS = 120_000  # a request that died gives its key free after this long

log = structlog.get_logger()


def once(
    services: Services, request: Request, api_key_id: str, work: Callable[[Session, datetime], Response]
) -> tuple[Response, bool]:
    """Return ``work``'s answer and True, or the answer that the same request got before and False.

    ``work`` runs in the transaction that also keeps its answer, so a crash leaves both or neither. Only what was done
    is kept: a refused request may come again corrected, under the same key. Raises ``Refused``: 422 for the same key
    with another request, 409 while the first one is still under way.
    """
    now = services.clock.now()
    key = _key_of(request)
    if key is None:
        with services.database.writing() as session:
            return work(session, now), True
    answer_id, asked = f"{api_key_id}/{key}", _fingerprint(request)
    with _busy(services.redis, answer_id):
        kept = _kept(services, answer_id, asked)
        if kept is not None:
            return kept, False
        try:
            with services.database.writing() as session:
                response = work(session, now)
                if response.status_code < 300:
                    _keep(session, answer_id, asked, response, now)
                return response, True
        except IntegrityError:
            kept = _kept(services, answer_id, asked)
            if kept is None:
                raise
            return kept, False


def _key_of(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise Refused(422, f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} printable ASCII characters.")
    return key


def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.full_path}\n".encode())
    digest.update(request.get_data(cache=True))
    return digest.hexdigest()


def _kept(services: Services, answer_id: str, asked: str) -> Response | None:
    with services.database.reading() as session:
        row = session.get(IdempotentAnswer, answer_id)
    if row is None:
        return None
    if row.request_hash != asked:
        raise Refused(422, "This Idempotency-Key was used for another request.")
    return Response(
        row.body, row.status_code, content_type="application/json", headers={"Idempotency-Replayed": "true"}
    )


def _keep(session: Session, answer_id: str, asked: str, response: Response, now: datetime) -> None:
    session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < now - KEPT))
    session.add(
        IdempotentAnswer(
            id=answer_id,
            request_hash=asked,
            status_code=response.status_code,
            body=response.get_data(as_text=True),
            created_at=now,
        )
    )
    session.flush()


@contextmanager
def _busy(redis: Redis, answer_id: str) -> Iterator[None]:
    """Hold the key while its request is under way. Without Redis the record alone guards it, and the second waits."""
    name = f"portal:api:busy:{hashlib.sha256(answer_id.encode()).hexdigest()}"
    held = False
    try:
        held = bool(redis.set(name, b"1", nx=True, px=BUSY_MS))
        is_busy = not held
    except RedisError as error:
        log.warning("idempotency without Redis", error=type(error).__name__)
        is_busy = False
    if is_busy:
        raise Refused(409, "A request with this Idempotency-Key is still under way.")
    try:
        yield
    finally:
        if held:
            _free(redis, name)


def _free(redis: Redis, name: str) -> None:
    try:
        redis.delete(name)
    except RedisError as error:
        log.warning("idempotency key stays busy for a while", error=type(error).__name__)
