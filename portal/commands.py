"""Every command of ``portal`` but ``web``, which needs none of what these load."""

import argparse
import getpass
import os
import sys
from pathlib import Path

import worker
from portal import checking, logs, serving
from portal.accounts import Role, add_staff
from portal.message_commands import add_message_commands
from portal.migrating import migrate
from portal.revision import START_PATIENCE_S, require_current
from portal.routes_command import import_file
from portal.services import Services, build
from portal.settings import read_settings
from tracking.ids import new_id
from tracking.replay import replay


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 could not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="portal", description="Customer messages and live tracking for deliveries.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serving.prepare(commands.add_parser("web", help="serve pages, streams and positions"))

    work = commands.add_parser("worker", help="send, sweep and follow the trucks")
    work.set_defaults(run=_worker)

    init = commands.add_parser("init", help="create or migrate the database, and the first staff account")
    init.set_defaults(run=_init)

    staff = commands.add_parser("staff", help="staff accounts").add_subparsers(required=True, metavar="ACTION")
    add = staff.add_parser("add", help="add an account; asks for the password")
    add.add_argument("email")
    add.add_argument("--name", default="")
    add.add_argument("--role", choices=[role.value for role in Role], default=Role.AGENT.value)
    add.set_defaults(run=_staff_add)

    routes = commands.add_parser("routes", help="routes").add_subparsers(required=True, metavar="ACTION")
    load = routes.add_parser("import", help="import a route file; a bad file changes nothing")
    load.add_argument("file", type=Path)
    load.add_argument("--preview", action="store_true", help="only say what would change")
    load.set_defaults(run=_routes_import)

    check = commands.add_parser("check", help="say in plain words what is missing for production")
    check.set_defaults(run=_check)

    add_message_commands(commands, _services)

    replayed = commands.add_parser("replay", help="run the ETA engine over recorded runs")
    replayed.add_argument("runs", type=Path, help="recorded runs, one in JSON a line")
    replayed.add_argument("--out", type=Path, required=True, help="CSV to write: run_id,t,stop,eta_s,lo_s,hi_s")
    replayed.add_argument("--dev", type=Path, help="other runs, to learn the history from")
    replayed.add_argument("--taps", action="store_true", help="the runs' own times are the driver's taps")
    replayed.add_argument("--arrivals", type=Path, help="CSV to write: run_id,stop,arrive_s as noticed")
    replayed.add_argument("--shown", action="store_true", help="write what recipients would read, not the estimate")
    replayed.set_defaults(run=_replay)
    return parser


def _services() -> Services:
    return build(read_settings(os.environ))


def _worker(options: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    logs.configure()
    services = build(settings)
    require_current(services.database, patience_s=START_PATIENCE_S)
    services.database.close()
    return worker.main(settings)


def _init(options: argparse.Namespace) -> int:
    services = _services()
    migrate(services.database)
    print("The database is ready.")
    email, password = os.environ.get("PORTAL_INIT_EMAIL"), os.environ.get("PORTAL_INIT_PASSWORD")
    with services.database.writing() as session:
        if checking.has_staff(session):
            return 0
        if not email and sys.stdin.isatty():
            email = input("Email of the first staff account: ").strip()
        if not email:
            print("No staff account yet: run `portal staff add EMAIL --role admin`.")
            return 0
        password = password or _asked_password()
        add_staff(
            session,
            account_id=new_id(),
            email=email,
            name="",
            role=Role.ADMIN,
            password=password,
            now=services.clock.now(),
        )
    print(f"Added the first staff account, {email}, as admin.")
    return 0


def _staff_add(options: argparse.Namespace) -> int:
    services = _services()
    require_current(services.database)
    password = os.environ.get("PORTAL_STAFF_PASSWORD") or _asked_password()
    try:
        with services.database.writing() as session:
            add_staff(
                session,
                account_id=new_id(),
                email=options.email,
                name=options.name,
                role=Role(options.role),
                password=password,
                now=services.clock.now(),
            )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Added {options.email} as {options.role}.")
    return 0


def _asked_password() -> str:
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Again: "):
        raise SystemExit("The two passwords differ.")
    return first


def _routes_import(options: argparse.Namespace) -> int:
    services = _services()
    require_current(services.database)
    return import_file(services, options.file, preview_only=options.preview)


def _check(options: argparse.Namespace) -> int:
    return checking.report(os.environ)


def _replay(options: argparse.Namespace) -> int:
    summary = replay(
        options.runs,
        options.out,
        dev_path=options.dev,
        taps=options.taps,
        arrivals_path=options.arrivals,
        shown=options.shown,
    )
    print(summary)
    return 0
