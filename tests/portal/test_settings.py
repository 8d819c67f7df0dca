"""Settings: every problem at once, and no steered clock against real providers."""

from pathlib import Path

import pytest

from portal.settings import BadSettings, read_settings


def test_every_problem_is_told_at_once(environ: dict[str, str]) -> None:
    del environ["PORTAL_MAIL_FROM"]
    environ["PORTAL_DEFAULT_ZONE"] = "Mars/Olympus"
    environ["PORTAL_LEASE_S"] = "soon"
    with pytest.raises(BadSettings) as caught:
        read_settings(environ)
    told = "\n".join(caught.value.problems)
    assert "PORTAL_MAIL_FROM" in told
    assert "PORTAL_DEFAULT_ZONE" in told
    assert "PORTAL_LEASE_S" in told


def test_secret_is_read_from_its_file(environ: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from-a-file-0123456789\n")
    del environ["PORTAL_TWILIO_AUTH_TOKENS"]
    environ["PORTAL_TWILIO_AUTH_TOKENS_FILE"] = str(secret)
    assert read_settings(environ).twilio_auth_tokens == ("from-a-file-0123456789",)


def test_secret_keys_have_no_default(environ: dict[str, str]) -> None:
    del environ["PORTAL_SECRET_KEYS"]
    with pytest.raises(BadSettings, match="PORTAL_SECRET_KEYS"):
        read_settings(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORTAL_TWILIO_API_URL", ""), ("PORTAL_SMTP_URL", "smtp://mail.example.net:25")],
)
def test_steered_clock_is_refused_unless_providers_are_on_this_machine(
    environ: dict[str, str], tmp_path: Path, name: str, value: str
) -> None:
    environ["PORTAL_DEMO_CLOCK"] = str(tmp_path / "clock.json")
    read_settings(environ)
    environ[name] = value
    with pytest.raises(BadSettings, match=name):
        read_settings(environ)


def test_timeout_longer_than_the_lease_is_refused(environ: dict[str, str]) -> None:
    environ["PORTAL_SEND_TIMEOUT_S"] = "30"
    with pytest.raises(BadSettings, match="PORTAL_LEASE_S"):
        read_settings(environ)
