"""The commands about messages: compare with the provider, take bounces, erase a person, let go what is old."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from datetime import date
from functools import partial

from portal import logs
from portal.bounce_command import take_piped_bounce
from portal.erase_command import erase_person
from portal.reconcile_command import reconcile_day
from portal.retain_command import report_retention
from portal.revision import require_current
from portal.services import Services


def _day(told: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{told!r} is no day: write it as 2026-03-05") from None


def add_message_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", build: Callable[[], Services]
) -> None:
    """Add the parsers. ``build`` makes the services of a command when it runs."""

    def ready(level: int = logging.WARNING) -> Services:
        logs.configure(level)
        services = build()
        require_current(services.database)
        return services

    reconcile = commands.add_parser("reconcile", help="compare a day's texts with Twilio's own list")
    reconcile.add_argument("--day", type=_day, help="UTC, such as 2026-03-05; without it, yesterday")
    reconcile.set_defaults(run=lambda options: reconcile_day(ready(), options.day))

    bounce = commands.add_parser("bounce", help="take one mail that came back, from a mail server's pipe")
    bounce.add_argument("--recipient", help="the envelope's recipient, if the server tells it by argument")
    bounce.add_argument("--sender", help="the envelope's sender, likewise; empty for a bounce")
    bounce.set_defaults(
        run=lambda options: take_piped_bounce(
            partial(ready, logging.INFO),
            sys.stdin.buffer,
            recipient=options.recipient,
            sender=options.sender,
            environ=os.environ,
        )
    )

    erase = commands.add_parser("erase", help="erase one person; shows what goes, and asks")
    erase.add_argument("who", help="a phone, a mail address, or a delivery's reference")
    erase.add_argument("--reference", action="store_true", help="WHO is a reference, whatever it looks like")
    how = erase.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="do not ask")
    how.add_argument("--dry-run", action="store_true", help="only look")
    erase.set_defaults(
        run=lambda options: erase_person(
            ready(), options.who, is_reference=options.reference, is_sure=options.yes, is_dry=options.dry_run
        )
    )

    retain = commands.add_parser("retain", help="say what is past its time")
    retain.add_argument("--yes", action="store_true", help="let it go now, as the night does")
    retain.set_defaults(run=lambda options: report_retention(ready(), is_sure=options.yes))
