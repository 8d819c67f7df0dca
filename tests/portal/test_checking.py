"""``portal check`` and ``portal routes import`` speak in plain words."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from portal.checking import report
from portal.routes_command import import_file
from portal.services import Services
from tests.builders import SERVICE_ON
from tests.e2e.phones import route_file
from tracking.deliveries import Delivery

ROW = {
    "sequence": 1,
    "reference": "A-1",
    "recipient": "Anna Berg",
    "phone": "+12015550101",
    "address": "12 Orchard Lane",
    "lat": 40.714,
    "lon": -74.347,
}


def test_check_names_what_is_missing_for_production(
    environ: dict[str, str], services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(environ) == 1
    told = capsys.readouterr().out
    for word in ("https", "PORTAL_TWILIO_API_URL", "SQLite", "portal init"):
        assert word in told


def test_check_names_every_bad_setting(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    del environ["PORTAL_SMS_FROM"], environ["PORTAL_COMPANY_NAME"]
    assert report(environ) == 1
    told = capsys.readouterr().out
    assert "PORTAL_SMS_FROM" in told
    assert "PORTAL_COMPANY_NAME" in told


def deliveries(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Delivery)) or 0


def test_bad_file_changes_nothing_and_names_every_bad_row(
    services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {**ROW, "sequence": 2, "reference": "B-1", "lat": "", "window_start": "25:00"}
    path = tmp_path / "routes.csv"
    path.write_bytes(route_file([ROW, bad], on=SERVICE_ON))
    assert import_file(services, path, preview_only=False) == 1
    told = capsys.readouterr().err
    assert "line 3, lat" in told
    assert "line 3, window_start" in told
    assert deliveries(services) == 0


def test_same_file_again_is_a_no_op(services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "routes.csv"
    path.write_bytes(route_file([ROW], on=SERVICE_ON))
    assert import_file(services, path, preview_only=True) == 0
    assert deliveries(services) == 0
    assert import_file(services, path, preview_only=False) == 0
    assert import_file(services, path, preview_only=False) == 0
    assert "0 deliveries were added" in capsys.readouterr().out
    assert deliveries(services) == 1


def test_file_that_is_not_there_is_a_sentence(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_file(services, Path("/nowhere.csv"), preview_only=False) == 1
    assert "cannot be read" in capsys.readouterr().err
