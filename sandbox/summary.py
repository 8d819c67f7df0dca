"""What a day came to, as a table for the terminal."""

from collections import Counter

from sandbox.cast import Cast
from sandbox.driver import Driver
from sandbox.outside import Outside


def summary(cast: Cast, outside: Outside) -> str:
    """Return the table: routes, deliveries, messages, answers."""
    lines = [f"{'route':<8}{'driver':<18}{'delivered':>10}{'failed':>8}{'fixes':>8}  finished"]
    for driver in cast.drivers:
        outcomes = Counter(driver.outcomes.values())
        lines.append(
            f"{driver.route.name:<8}{driver.route.driver:<18}{outcomes['delivered']:>10}"
            f"{outcomes['attempt failed']:>8}{driver.truck.posted:>8}  {_finished(driver)}"
        )
    texts = [text for text in outside.twilio.texts.all() if text.direction != "inbound"]
    states = Counter(text.status for text in texts)
    answers = [text for text in outside.twilio.texts.all() if text.direction == "inbound"]
    raters = [recipient for recipient in cast.recipients if recipient.is_rater]
    rated = Counter(recipient.rating for recipient in raters if recipient.rating)
    lines += [
        "",
        f"texts sent      {len(texts)}: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
        f"mails sent      {len(outside.mailbox.mails())}",
        f"texts received  {len(answers)}",
        f"ratings         {sum(rated.values())} of {len(raters)}: "
        + ", ".join(f"{count} x {score}" for score, count in sorted(rated.items(), reverse=True)),
    ]
    refused = [e for e in outside.journal.entries() if e["event"] in {"tap_refused", "fixes_refused"}]
    unheard = [e for e in outside.journal.entries(event="delivered_inbound") if not 200 <= e["answer"] < 300]
    if refused or unheard:
        lines.append(f"refused         {len(refused)} taps or fixes, {len(unheard)} texts not taken by the portal")
    return "\n".join(lines)


def _finished(driver: Driver) -> str:
    if driver.is_replaced:
        return "driven by a person"
    return "yes" if driver.is_finished else "no"
