"""``portal reconcile``: compare a day with the provider's list by hand."""

import sys
from datetime import date, timedelta

from messaging.provider_days import yesterday
from portal.nightly import compare_day
from portal.services import Services


def reconcile_day(services: Services, on: date | None) -> int:
    """Compare a day (UTC; yesterday without one), say what was found; return 0, or 1 when it could not be done."""
    last = yesterday(services.clock)
    day = on or last
    if day > last + timedelta(days=1):
        print(f"{day} has not come yet.", file=sys.stderr)
        return 1
    compared = compare_day(services, day)
    if compared is None:
        print("Twilio could not be asked, or not to the end. Nothing was lost; try again later.", file=sys.stderr)
        return 1
    print(f"{day} (UTC): {compared.listed} texts at Twilio.")
    print(f"States we had missed, now adopted: {len(compared.adopted)}")
    for what, ids in (("Not ours", compared.strangers), ("Not at Twilio", compared.missing)):
        print(f"{what}: {len(ids)}")
        for found_id in ids:
            print(f"  {found_id}")
    return 0
