"""The table of crash points: its rows, how a row may end, and its words."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bench.crash_child import Point
from messaging.kinds import Channel

PLANNED, NOW = "planned", "happening now"


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing a provider does to the first message. ``takes``: it has the message then. ``is_final``: it says no
    for good. ``is_silent``: it says nothing.
    """

    words: str
    channel: Channel
    faults: tuple[tuple[str, dict[str, float]], ...] = ()
    takes: bool = False
    is_final: bool = False
    is_silent: bool = False
    is_away: bool = False


ANSWERS = (
    Answer("201", Channel.SMS, takes=True),
    Answer("400, no such number", Channel.SMS, is_final=True),
    Answer("429", Channel.SMS, (("too_many", {"seconds": 1.0}),)),
    Answer("429, but taken", Channel.SMS, (("too_many_after", {}),), takes=True),
    Answer("500, not taken", Channel.SMS, (("error_before", {}),), is_silent=True),
    Answer("500, but taken", Channel.SMS, (("error_after", {}),), takes=True, is_silent=True),
    Answer("too slow, but taken", Channel.SMS, (("slow_after", {"seconds": 1.2}),), takes=True, is_silent=True),
    Answer("reset, not taken", Channel.SMS, (("reset_before", {}),), is_silent=True),
    Answer("reset, but taken", Channel.SMS, (("reset_after", {}),), takes=True, is_silent=True),
    Answer("connection refused", Channel.SMS, is_away=True),
    Answer("250", Channel.EMAIL, takes=True),
    Answer("550 to RCPT", Channel.EMAIL, is_final=True),
    Answer("450 to RCPT", Channel.EMAIL, (("mail_defer", {}),)),
    Answer("hung up after DATA, not kept", Channel.EMAIL, (("mail_drop", {}),), is_silent=True),
    Answer("hung up after DATA, but kept", Channel.EMAIL, (("mail_drop_after", {}),), takes=True, is_silent=True),
    Answer("too slow", Channel.EMAIL, (("mail_slow", {"seconds": 1.2}),), is_silent=True),
    Answer("connection refused", Channel.EMAIL, is_away=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    point: Point
    answer: Answer
    promise: str


@dataclass(frozen=True, slots=True)
class End:
    """How a row ended. ``came``: messages in the journal, a mail's Message-ID counted once; ``said``: each time."""

    came: int
    said: int
    is_listed: bool
    is_replaced: bool
    status: str

    def __str__(self) -> str:
        words = {0: "did not come", 1: "came once"}.get(self.came, f"CAME {self.came} TIMES")
        if self.said > self.came:
            words += f", said {self.said} times under one Message-ID"
        told = ", on the staff list" if self.is_listed else ""
        return f"{words}{told}{', a mail goes instead' if self.is_replaced else ''}"


def rows() -> Iterator[Row]:
    """Yield every row, in the order of the table."""
    for channel, promise in itertools.product(Channel, (PLANNED, NOW)):
        for answer, point in itertools.product(ANSWERS, Point):
            if answer.channel is channel:
                yield Row(point, answer, promise)


def wrong(row: Row, end: End) -> str:
    """Return what a row's end breaks of its promise; empty when it holds."""
    if end.came > 1:
        return "doubled"
    if row.answer.is_final:
        return "" if end.came == 0 and (end.is_listed or end.is_replaced) else "a refusal for good that nobody is told"
    if row.promise == NOW:
        if end.said > 1:
            return "said twice"
        return "" if end.came or end.is_listed else "lost without a word"
    if end.came == 0:
        return "lost"
    unseen = {Point.DURING_POST, Point.AFTER_POST, Point.BEFORE_RECORD}
    may_repeat = row.answer.channel is Channel.EMAIL and (row.answer.is_silent or row.point in unseen)
    return "" if end.said == 1 or may_repeat else "said twice though the answer was recorded"


def table(ends: list[tuple[Row, End]]) -> str:
    """Return the table as Markdown, one section for each channel and promise."""
    lines = [HEAD]
    for (channel, promise), group in itertools.groupby(ends, lambda one: (one[0].answer.channel, one[0].promise)):
        lines.append(f"\n## {title(channel, promise)}\n")
        lines.append("| the provider's answer | the sender dies | how it ended |\n|---|---|---|")
        lines += [f"| {row.answer.words} | {row.point} | {end} |" for row, end in group]
    return "\n".join(lines) + "\n"


def title(channel: Channel, promise: str) -> str:
    """Return the heading of one section of the table."""
    return f"{'SMS' if channel is Channel.SMS else 'Email'}, {promise}"


HEAD = """# Crash points

Made by `make crash-table`; a test compares it with what happens now. One message is queued. A sender process takes it,
meets the answer, and is killed with SIGKILL at the point named. Another worker finds what is left and finishes it. How
it ended is read from the journals of the stand-ins. Promises: a planned message comes exactly once; a happening-now one
comes at most once, and when nobody knows, staff have it on their list. The answer strikes the first request that gets
through, so a sender that died before it leaves it to the next.

"Said twice under one Message-ID": a mail server cannot be asked what it took. The receiver drops the repeat.
"""
