"""The eve of a day at six: what one text and one mail of ``day_before`` cost the sender, in processor time.

``python -m bench.messaging_evening CHANNEL`` is the child: it sends what is due and prints the milliseconds a message.
"""

import asyncio
import os
import subprocess
import sys
from datetime import datetime
from time import process_time

import migrations.env_tables  # noqa: F401 - puts every table into the metadata
from bench import chaos_day
from messaging.kinds import Channel
from portal.services import build
from portal.settings import read_settings
from portal.workshop import Workshop
from tracking import imports
from tracking.actors import SYSTEM
from tracking.clocks import SystemClock
from tracking.ids import new_id
from tracking.storage import Base

DEFAULTS = imports.ImportDefaults(region="US", zone=chaos_day.ZONE.key, locale="en")


class Evening(SystemClock):
    """Day time stands still at half past six on the eve."""

    def now(self) -> datetime:
        """Return that instant."""
        return chaos_day.EVE


def plan(environ: dict[str, str], count: int) -> None:
    """Fill a fresh record with so many deliveries for tomorrow (2,000 at most) and plan what they are told."""
    services = build(read_settings(environ), clock=Evening())
    Base.metadata.create_all(services.database.engine)
    for data in chaos_day.route_files(count):
        with services.database.writing() as session:
            rows = list(imports.parse_csv(data, DEFAULTS).rows)
            imports.apply(session, rows, now=services.clock.now(), actor=SYSTEM, ids=new_id)
    with asyncio.Runner() as runner:
        workshop = Workshop(services, runner)
        while workshop.reconcile().added:
            pass
        workshop.close()
    services.database.close()
    services.redis.close()


def cost_ms(environ: dict[str, str], channel: Channel) -> float:
    """Send all that is due in a process of its own; return its processor time a message, in milliseconds."""
    words = [sys.executable, "-m", "bench.messaging_evening", channel.value]
    return float(subprocess.run(words, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(channel: Channel) -> int:
    """Send and tell."""
    services = build(read_settings(os.environ), clock=Evening())
    with asyncio.Runner() as runner:
        workshop = Workshop(services, runner)
        began_s, handed = process_time(), 0
        while sent := workshop.send(channel).handed:
            handed += sent
        print(1000 * (process_time() - began_s) / handed)
        workshop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Channel(sys.argv[1])))
