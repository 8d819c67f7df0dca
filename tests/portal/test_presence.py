from redis import Redis

from portal.presence import GONE_AFTER_S, Present, leave, note, present, present_in


def test_who_has_a_conversation_open_is_seen_until_two_beats_are_missed(redis: Redis) -> None:
    assert note(redis, "d1", "bo", is_writing=False, elapsed_s=1000)
    assert present(redis, "d1", 1000 + GONE_AFTER_S) == (Present("bo", False),)
    assert present(redis, "d1", 1002 + GONE_AFTER_S) == ()


def test_only_a_change_is_news(redis: Redis) -> None:
    assert note(redis, "d1", "bo", is_writing=False, elapsed_s=1000)
    assert not note(redis, "d1", "bo", is_writing=False, elapsed_s=1010)
    assert note(redis, "d1", "bo", is_writing=True, elapsed_s=1011)
    assert note(redis, "d1", "bo", is_writing=True, elapsed_s=1012 + GONE_AFTER_S)


def test_who_leaves_is_gone_at_once(redis: Redis) -> None:
    note(redis, "d1", "bo", is_writing=True, elapsed_s=1000)
    note(redis, "d1", "cy", is_writing=False, elapsed_s=1000)
    assert leave(redis, "d1", "bo")
    assert not leave(redis, "d1", "bo")
    assert present_in(redis, ["d1", "d2"], 1001) == {"d1": (Present("cy", False),), "d2": ()}


def test_it_forgets_by_itself(redis: Redis) -> None:
    note(redis, "d1", "bo", is_writing=True, elapsed_s=1000)
    assert 0 < redis.ttl("portal:here:d1") <= 2 * GONE_AFTER_S


def test_without_redis_nobody_is_seen_and_nothing_fails() -> None:
    gone = Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2)
    assert not note(gone, "d1", "bo", is_writing=True, elapsed_s=1)
    assert not leave(gone, "d1", "bo")
    assert present(gone, "d1", 1) == ()
    gone.close()
