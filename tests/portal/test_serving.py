"""``portal web`` starts light: what only other commands need is not loaded."""

import json
import os
import subprocess
import sys
from pkgutil import resolve_name

import pytest

from portal import cli, commands

HEAVY = {
    "aiohttp": "the provider's client: sending is the worker's",
    "aiosmtplib": "likewise",
    "alembic": "migrating is `portal init`'s",
    "folium": "the map's script is drawn when a browser asks for it",
    "messaging.sending": "the worker's",
    "twilio.rest": "the provider's client",
    "worker": "what happens by itself",
}


def test_a_web_process_loads_nothing_of_the_others() -> None:
    told = "import sys, portal.cli, portal.asgi; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert set(HEAVY) & set(loaded) == set()
    assert {"flask", "portal.staff"} <= set(loaded)


def test_the_other_commands_are_where_the_command_line_looks_for_them() -> None:
    assert resolve_name(cli.OTHERS) is commands.main


@pytest.mark.parametrize("words", [["web", "--help"], ["--help"], ["staff", "add", "--help"]])
def test_every_command_has_its_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 0
    assert f"usage: portal {' '.join(words[:-1])}".rstrip() in capsys.readouterr().out


def test_missing_settings_are_told_before_a_server_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PORTAL_SECRET_KEYS", raising=False)
    monkeypatch.delenv("PORTAL_REDIS_URL", raising=False)
    assert cli.main(["web"]) == 2
    assert "PORTAL_SECRET_KEYS" in capsys.readouterr().err


def test_what_is_logged_while_the_database_is_away_is_json(environ: dict[str, str]) -> None:
    away = {**os.environ, **environ, "PORTAL_DATABASE_URL": "postgresql://portal@127.0.0.1:1/portal"}
    web = [sys.executable, "-m", "portal.cli", "web"]
    with subprocess.Popen(web, env=away, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        first = waiting.stderr.readline()
        waiting.kill()
    assert json.loads(first)["event"] == "the database does not answer yet"
