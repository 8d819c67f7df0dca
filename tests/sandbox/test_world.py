import pytest
import valkey

from sandbox.journal import NothingCame
from sandbox.world import World, start_valkey

ANNA = "+12015550111"


def test_what_was_accepted_survives_a_restart(tmp_path, connect):
    known = {"account_sid": "AC" + "1" * 32, "auth_token": "secret"}
    with World(data_dir=tmp_path, pace=0, **known) as world:
        client = connect(world)
        sent = client.messages.create(to=ANNA, from_=world.sms_from, body="before")
        world.wait_for_event(lambda entry: entry["event"] == "status" and entry["status"] == "delivered")
        client.http_client.session.close()

    with World(data_dir=tmp_path, pace=0, **known) as world:
        client = connect(world)
        again = client.messages(sent.sid).fetch()
        assert (again.body, again.status) == ("before", "delivered")
        assert again.date_created == sent.date_created
        assert [entry["n"] for entry in world.journal()] == [1, 2, 3]
        client.http_client.session.close()


def test_a_torn_last_line_of_the_journal_is_dropped(tmp_path):
    (tmp_path / "journal.jsonl").write_text(
        '{"n": 1, "at": "2026-11-22T08:00:00+00:00", "event": "deleted", "sid": "x"}\n{"n"'
    )

    with World(data_dir=tmp_path) as world:
        assert len(world.journal()) == 1


def test_waiting_in_vain_tells_how_the_journal_ends(world):
    with pytest.raises(NothingCame, match="the journal ends with"):
        world.wait_for_text(timeout_s=0.05)


def test_valkey_keeps_its_data_over_a_restart(tmp_path):
    for expected in (1, 2):
        with start_valkey(tmp_path / "valkey") as url, valkey.Valkey.from_url(url) as client:
            assert client.incr("starts") == expected
