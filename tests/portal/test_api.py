import copy
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.accounts import AuditEntry, issue_api_key, revoke_api_key
from portal.services import Services
from tests.builders import local, make_delivery, make_route
from tests.heard import Heard
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.links import Audience, recipient_link
from tracking.routes import Route

STOP = {
    "sequence": 1,
    "address": "1 Orchard Lane",
    "lat": 40.714,
    "lon": -74.347,
    "deliveries": [
        {
            "reference": "A-1",
            "recipient": "Anna Berg",
            "phone": "+12015550101",
            "window_start": "10:00",
            "window_end": "12:00",
        }
    ],
}
ROUTES: dict[str, Any] = {
    "routes": [
        {
            "date": "2026-03-05",
            "route": "North 1",
            "depot": {"name": "North depot", "lat": 40.71, "lon": -74.35},
            "planned_start": "08:30",
            "driver": {"name": "Dana Ruiz", "phone": "+12015550150"},
            "stops": [STOP],
        }
    ]
}


class Integrator:
    """A machine with an API key."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client, self.key = client, key

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        told = {"Authorization": f"Bearer {self.key}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        return self.client.open(f"/api/v1{path}", method=method, json=body, headers=told)

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def load(self, body: Any = ROUTES, **headers: str) -> Any:
        return self.send("POST", "/routes", body, **headers)


@pytest.fixture
def key(services: Services) -> str:
    with services.database.writing() as session:
        return issue_api_key(session, key_id="k" * 32, name="Shop", now=services.clock.now(), created_by=None)


@pytest.fixture
def integrator(client: FlaskClient, key: str) -> Integrator:
    return Integrator(client, key)


@pytest.fixture
def delivery(services: Services) -> Delivery:
    with services.database.writing() as session:
        return make_delivery(session, reference="REF-1")


def count(services: Services, table: Any) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def assert_problem(response: Any, status: int) -> dict[str, Any]:
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    body: dict[str, Any] = response.get_json()
    assert body["status"] == status
    assert set(body) == {"type", "title", "status", "detail", "problems"}
    return body


def test_routes_come_in_and_can_be_read(integrator: Integrator, services: Services) -> None:
    response = integrator.load()
    assert response.status_code == 201
    told = response.get_json()
    assert (told["new_routes"], told["new_deliveries"]) == (1, 1)
    route = integrator.get(f"/routes/{told['routes'][0]['id']}").get_json()
    assert (route["route"], route["driver"], route["stops"][0]["deliveries"][0]["reference"]) == (
        "North 1",
        "Dana Ruiz",
        "A-1",
    )
    assert integrator.get("/routes?date=2026-03-05").get_json()["routes"][0]["id"] == route["id"]
    with services.database.reading() as session:
        assert session.scalars(select(AuditEntry.action)).all() == ["import"]


def test_same_routes_again_change_nothing(integrator: Integrator, services: Services) -> None:
    integrator.load()
    response = integrator.load()
    assert (response.status_code, response.get_json()["unchanged"]) == (200, 1)
    assert count(services, Delivery) == 1


def test_dry_run_only_says_what_would_change(integrator: Integrator, services: Services) -> None:
    response = integrator.send("POST", "/routes?dry_run=true", ROUTES)
    assert (response.status_code, response.get_json()["is_dry_run"]) == (200, True)
    assert count(services, Route) == 0


def test_bad_document_changes_nothing_and_names_every_problem(integrator: Integrator, services: Services) -> None:
    bad = copy.deepcopy(ROUTES)
    bad["routes"].append(copy.deepcopy(bad["routes"][0]) | {"route": "North 2", "planned_start": "late"})
    bad["routes"][0]["stops"][0]["deliveries"][0]["phone"] = "1"
    body = assert_problem(integrator.load(bad), 422)
    assert [problem["path"] for problem in body["problems"]] == [
        "routes[0].stops[0].deliveries[0].phone",
        "routes[1].planned_start",
    ]
    assert count(services, Route) == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nope", "Basic abc", "bearer \xff"])
def test_no_live_key_no_entry(client: FlaskClient, header: str) -> None:
    response = client.get("/api/v1/routes?date=2026-03-05", headers={"Authorization": header})
    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_revoked_key_is_refused(integrator: Integrator, services: Services) -> None:
    with services.database.writing() as session:
        revoke_api_key(session, "k" * 32, services.clock.now())
    assert_problem(integrator.get("/routes?date=2026-03-05"), 401)


def test_same_idempotency_key_gets_the_first_answer(integrator: Integrator, services: Services) -> None:
    first = integrator.load(Idempotency_Key="one")
    again = integrator.load(Idempotency_Key="one")
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(services, AuditEntry) == 1


def test_same_idempotency_key_with_another_body_is_refused(integrator: Integrator, services: Services) -> None:
    integrator.load(Idempotency_Key="one")
    other = copy.deepcopy(ROUTES)
    other["routes"][0]["route"] = "South"
    assert_problem(integrator.load(other, Idempotency_Key="one"), 422)
    assert count(services, Route) == 1


def test_refused_request_may_come_again_corrected_under_its_key(integrator: Integrator) -> None:
    assert_problem(integrator.load({"routes": []}, Idempotency_Key="one"), 422)
    assert integrator.load(Idempotency_Key="one").status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 121, "ü"])
def test_idempotency_key_that_is_none_is_refused(integrator: Integrator, name: str) -> None:
    assert_problem(integrator.load(Idempotency_Key=name), 422)


def test_request_under_way_refuses_its_key_to_another(app: Flask, key: str, services: Services) -> None:
    statuses: list[int] = []

    def load_routes() -> None:
        statuses.append(Integrator(app.test_client(), key).load(Idempotency_Key="one").status_code)

    first = threading.Thread(target=load_routes)
    with services.database.writing():  # SQLite has one writer: the first request waits for this one to end
        first.start()
        while not services.redis.keys("portal:api:busy:*"):
            first.join(0.01)
        assert_problem(Integrator(app.test_client(), key).load(Idempotency_Key="one"), 409)
    first.join(60)
    assert statuses == [201]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"routes": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"routes":"x"}', "application/json", 422),
        (b'{"routes":[{"date":"\\ud800"}]}', "application/json", 422),
        (b"1" * 5000, "application/json", 400),
        (b'"' + b"x" * (2 * 1024 * 1024) + b'"', "application/json", 413),
    ],
)
def test_bad_body_is_refused_in_the_one_shape(
    integrator: Integrator, data: bytes, content_type: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {integrator.key}", "Content-Type": content_type}
    assert_problem(integrator.client.post("/api/v1/routes", data=data, headers=headers), status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/routes", 405),
        ("GET", "/routes/none", 404),
        ("GET", "/deliveries/none", 404),
        ("GET", "/deliveries/%00", 404),
        ("GET", "/routes", 422),
        ("GET", "/routes?date=yesterday", 422),
        ("GET", "/routes?date=2026-03-05&limit=0", 422),
        ("GET", "/deliveries?limit=99999", 422),
        ("GET", "/deliveries?status=lost", 422),
        ("GET", "/deliveries?date=x", 422),
        ("GET", "/deliveries?after=%00", 422),
    ],
)
def test_what_cannot_be_answered_is_a_problem(integrator: Integrator, method: str, path: str, status: int) -> None:
    assert_problem(integrator.send(method, path), status)


def test_delivery_is_found_by_reference_with_its_link(
    integrator: Integrator, services: Services, delivery: Delivery
) -> None:
    now = services.clock.now()
    with services.database.writing() as session:
        link = recipient_link(session, delivery_id=delivery.id, link_id="a" * 11, now=now, expires_at=local("20:00"))
    (found,) = integrator.get("/deliveries?reference=REF-1").get_json()["deliveries"]
    assert found["id"] == delivery.id
    whole = integrator.get(f"/deliveries/{delivery.id}").get_json()
    assert whole["tracking_url"].endswith(services.links.token(link.id, Audience.RECIPIENT))
    assert whole["window"]["start_at"] == "2026-03-05T15:00:00Z"
    assert integrator.get("/deliveries?reference=other").get_json() == {"deliveries": [], "next": None}


def test_list_goes_on_after_the_last_of_a_page(integrator: Integrator, services: Services) -> None:
    with services.database.writing() as session:
        route = make_route(session)
        made = sorted(make_delivery(session, route=route).id for _ in range(5))
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = integrator.get(f"/deliveries?limit=2{after}").get_json()
        seen += [found["id"] for found in page["deliveries"]]
        after = f"&after={page['next']}"
    assert (seen, page["next"]) == (made, None)


def test_delivery_is_changed_and_audited(integrator: Integrator, services: Services, delivery: Delivery) -> None:
    patch = {
        "phone": "201-555-0123",
        "email": None,
        "note": "Gate 4711",
        "instructions": "Two people",
        "reschedule": {"date": "2026-03-09", "window_start": "14:00", "window_end": "16:00"},
    }
    response = integrator.send("PATCH", f"/deliveries/{delivery.id}", patch)
    assert response.status_code == 200
    told = response.get_json()
    assert (told["phone"], told["email"], told["note"], told["instructions"]) == (
        "+12015550123",
        None,
        "Gate 4711",
        "Two people",
    )
    assert (told["date"], told["route"], told["status"]) == ("2026-03-09", "unassigned", "scheduled")
    assert [event["kind"] for event in told["custody"]] == ["rescheduled"]
    with services.database.reading() as session:
        actions = set(session.scalars(select(AuditEntry.action)))
        changed = load(session, delivery.id)
    assert actions == {"correct_contact", "set_instructions", "set_note", "reschedule"}
    assert changed.plan_dirty_at == services.clock.now()


def test_patch_does_all_or_nothing(integrator: Integrator, services: Services, delivery: Delivery) -> None:
    with services.database.writing() as session:
        session.get_one(Delivery, delivery.id).status = DeliveryStatus.DELIVERED
    body = assert_problem(
        integrator.send("PATCH", f"/deliveries/{delivery.id}", {"phone": "201-555-0123", "status": "cancelled"}), 409
    )
    assert body["detail"] == "This delivery is already delivered."
    with services.database.reading() as session:
        assert load(session, delivery.id).phone == delivery.phone
    assert count(services, AuditEntry) == 0


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"reason": "no"},
        {"colour": "red"},
        {"status": "delivered"},
        {"phone": "12"},
        {"phone": None, "email": None},
        {"recipient": ""},
        {"recipient": None, "email": "nobody"},
        {"note": "x" * 501},
        {"note": "a\x00b"},
        {"note": 5},
        {"reschedule": {"date": "2026-03-09"}},
        {"reschedule": {"date": "2020-03-09", "window_start": "14:00", "window_end": "16:00"}},
        {"reschedule": {"date": "2026-03-09", "window_start": "16:00", "window_end": "14:00"}},
        {"reschedule": {"date": "2026-03-09", "window_start": "25:00", "window_end": "26:00"}},
        {"status": "cancelled", "reschedule": {"date": "2026-03-09", "window_start": "1:00", "window_end": "2:00"}},
        [],
        None,
    ],
)
def test_patch_that_makes_no_sense_is_refused(integrator: Integrator, delivery: Delivery, patch: Any) -> None:
    response = integrator.client.patch(
        f"/api/v1/deliveries/{delivery.id}",
        data=json.dumps(patch),
        headers={"Authorization": f"Bearer {integrator.key}", "Content-Type": "application/json"},
    )
    assert_problem(response, 422)


def test_document_names_every_route_and_every_schema_it_points_at(client: FlaskClient, app: Flask) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    served = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api."):
            path = rule.rule.replace("<", "{").replace(">", "}")
            served |= {(path, method.lower()) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    told = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert told == served
    schemas = document["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in references(document)} <= set(schemas)
    assert document["openapi"] == "3.1.0"


def references(node: Any) -> Iterator[str]:
    """Every $ref below ``node``."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_change_wakes_the_pages_and_the_planner(
    integrator: Integrator, services: Services, delivery: Delivery, redis: Any
) -> None:
    heard = Heard(redis, "portal:facts")
    integrator.send("PATCH", f"/deliveries/{delivery.id}", {"status": "cancelled"})
    told = [json.loads(line) for line in heard.news("portal:facts")]
    heard.close()
    assert told[0] == {"kind": "delivery", "delivery_id": delivery.id}
    assert redis.llen("rq:queue:rest") == 1
