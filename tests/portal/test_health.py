"""What operators ask."""

from flask.testing import FlaskClient
from redis import Redis

from portal.health import PARTS
from portal.migrating import migrate
from portal.services import Services
from tracking.storage import Base


def test_healthz_answers(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_readyz_refuses_a_database_of_another_revision(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "portal init" in answer.json["checks"]["database"]  # type: ignore[index]


def test_readyz_shows_the_age_of_each_parts_beat(client: FlaskClient, services: Services, redis: Redis) -> None:
    Base.metadata.drop_all(services.database.engine)
    migrate(services.database)
    for part in PARTS[1:]:
        redis.set(f"portal:beat:{part}", services.clock.elapsed() - 3)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["beat_age_s"] == {PARTS[0]: None, **dict.fromkeys(PARTS[1:], 3.0)}
    assert answer.json["late_parts"] == [PARTS[0]]


def test_metrics_are_counts_only(client: FlaskClient) -> None:
    text = client.get("/metrics").text
    assert "portal_staff_waiting" in text
    assert "+1" not in text
