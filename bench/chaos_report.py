"""What a chaos run prints: the judge's verdicts, and what the product says of itself beside them."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from messaging.cases import Task, TaskKind
from messaging.notifications import Notification
from portal.services import Services
from sandbox.havoc import LEASE_S, Havoc
from sandbox.instance import Instance
from sandbox.judge import Verdict

TIMES = {"PORTAL_SEND_TIMEOUT_S": "2", "PORTAL_LEASE_S": f"{LEASE_S:.0f}", "PORTAL_SETTLE_S": "3"}
LONGEST_RECOVERY_S = 60.0
FEWEST_PAUSES = 10  # longer than the lease, in a run of full size


@dataclass(frozen=True, slots=True)
class Played:
    """A run that is over: what was asked of it, and how it went. ``recovered_s`` is the longest of its waves."""

    instance: Instance
    havoc: Havoc
    kills: int
    waves: int
    recovered_s: float
    took_s: float


def said_lost(services: Services) -> int:
    """Return how many messages the product itself lists as possibly lost."""
    with services.database.reading() as session:
        count = select(func.count()).select_from(Task).where(Task.kind == TaskKind.POSSIBLY_LOST)
        return session.scalar(count) or 0


def states(services: Services) -> Counter[str]:
    """Return how many notifications the product has in each state, by channel."""
    with services.database.reading() as session:
        by = select(Notification.channel, Notification.status, func.count())
        found = session.execute(by.group_by(Notification.channel, Notification.status))
        return Counter({f"{channel} {status}": count for channel, status, count in found})


def logged(folder: Path) -> Counter[str]:
    """Return how often the worker logged each event."""
    found: Counter[str] = Counter()
    for line in (folder / "worker.log").read_text(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            found[str(told.get("event"))] += 1
            found["left by the dead"] += int(told.get("ambiguous", 0))
    return found


def report(run: Played, planned: Verdict, moment: Verdict, services: Services) -> bool:
    """Print the table; True when everything held."""
    times = "/".join(TIMES.values())
    events = logged(run.instance.folder)
    listed = said_lost(services)
    slept = [pause_s for pause_s in run.havoc.pauses_s if pause_s > LEASE_S]
    struck = ", ".join(f"{name} {count}" for name, count in run.havoc.struck.most_common())
    struck_repeats = planned.mail_repeats - planned.unanswered_repeats
    faults = Counter(entry["kind"] for entry in run.instance.world.journal("fault"))
    print(
        f"""
kills                        {run.havoc.kills} ({struck})
slept past their lease       {len(slept)} ({", ".join(f"{pause_s:.1f}" for pause_s in slept)} s)
faults of the stand-ins      {", ".join(f"{kind} {count}" for kind, count in sorted(faults.items()))}
planned: expected            {planned.expected}
planned: lost                {len(planned.lost)} {planned.lost[:5]}
planned: doubled             {sum(planned.doubled.values())} {list(planned.doubled)[:5]}
extra                        {sum(planned.extra.values())} {list(planned.extra)[:5]}
mails said again             {planned.mail_repeats} under their own Message-ID (counted once): \
{planned.unanswered_repeats} kept by the server without a word, {struck_repeats} after a blow
happening now: expected      {moment.expected}
happening now: doubled       {sum(moment.doubled.values())}
happening now: lost          {len(moment.lost)}, listed by the product {listed}
outcomes nobody saw          {events["outcome unknown"]} answers, {events["left by the dead"]} left by the dead
  found at the provider      {events["found at the provider"]}
  sent again after looking   {events["sent again after looking"]}
  possibly lost              {events["possibly lost"]}
recovery after a last blow   {run.recovered_s:.1f} s (longest of {run.waves})
states                       {dict(states(services))}
took                         {run.took_s:.0f} s; send timeout / lease / settle {times} s""",
        flush=True,
    )
    holds = not (planned.lost or planned.doubled or planned.extra or moment.doubled)
    enough = run.havoc.kills >= run.kills and len(slept) >= min(FEWEST_PAUSES, run.kills // 10)
    return holds and enough and listed == len(moment.lost) and run.recovered_s < LONGEST_RECOVERY_S
