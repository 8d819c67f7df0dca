import pytest
from redis import Redis

from messaging.pacing import DEBT_S, Bucket


@pytest.fixture
def bucket(redis: Redis) -> Bucket:
    """Ten segments a second; the bucket holds ten."""
    return Bucket(redis, "+12015550100", 10.0)


def test_a_bucket_fills_by_its_rate(bucket: Bucket) -> None:
    bucket.take(100.0, 10)

    assert bucket.room(100.0) == 0
    assert bucket.room(100.5) == 5
    assert bucket.room(103.0) == 10


def test_urgent_texts_overdraw(bucket: Bucket) -> None:
    bucket.take(100.0, 10)

    assert bucket.room(100.0, urgent=True) == 10 * DEBT_S


def test_too_many_stops_once_however_often_it_is_said(bucket: Bucket) -> None:
    for _ in range(5):
        bucket.stop_for(100.0, 4.0)

    assert bucket.room(103.9) == 0
    assert bucket.room(104.5) == 3  # half a second of seven a second, and what comes back


def test_after_too_many_the_rate_shrinks_and_comes_back(bucket: Bucket) -> None:
    bucket.stop_for(100.0, 3.0)
    assert sent_within(bucket, 103.0, 5.0) in range(34, 40)
    bucket.stop_for(108.0, 3.0)
    assert sent_within(bucket, 111.0, 5.0) in range(24, 32)
    assert sent_within(bucket, 200.0, 5.0) in range(50, 62)


def sent_within(bucket: Bucket, begin: float, seconds: float) -> int:
    """Take all that may go out, ten times a second, and return how much that was."""
    sent = 0
    for step in range(round(seconds * 10)):
        room = bucket.room(begin + step / 10)
        bucket.take(begin + step / 10, room)
        sent += room
    return sent


def test_a_clock_set_back_by_an_hour_stops_nothing(bucket: Bucket) -> None:
    bucket.take(10_000.0, 10)

    bucket.room(6_400.0)

    assert bucket.room(6_401.0) == 10


def test_without_redis_the_bucket_is_full() -> None:
    assert Bucket(Redis(port=1, socket_connect_timeout=0.1), "x", 10.0).room(1.0) == 10
