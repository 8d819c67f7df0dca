"""``portal web``: settings and record are looked at first, then the server runs."""

import argparse
import os

import uvicorn

from portal import logs
from portal.entrance import Entrance
from portal.revision import START_PATIENCE_S, require_current
from portal.services import build
from portal.settings import read_settings

LIVE_BACKLOG = 4096


def main(arguments: list[str]) -> int:
    """Serve as the words after ``portal web`` say."""
    parser = argparse.ArgumentParser(prog="portal web", description="Serve pages, streams and positions.")
    prepare(parser)
    return run(parser.parse_args(arguments))


def prepare(web: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``portal web``."""
    web.add_argument("--host", default="127.0.0.1")
    web.add_argument("--port", type=int, default=8000)
    web.add_argument("--only", choices=("pages", "live"), help="one half, behind nginx")
    web.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is told to end. Raises ``BadSettings`` or ``WrongRevision``."""
    settings = read_settings(os.environ)  # says what is wrong before a server starts
    logs.configure()
    services = build(settings)
    require_current(services.database, patience_s=START_PATIENCE_S)
    services.database.close()
    if options.only:
        os.environ["PORTAL_WEB_ONLY"] = options.only
    uvicorn.run(
        "portal.asgi:create",
        factory=True,
        host=options.host,
        port=options.port,
        http=Entrance,
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_config=None,
        backlog=LIVE_BACKLOG,
        timeout_graceful_shutdown=5,
    )
    return 0
