"""The guide to what people can text, made from the code: ``python -m messaging.texting_guide`` writes it to docs."""

from pathlib import Path

from messaging.commands import words_table
from messaging.reply_texts import reply_text
from messaging.resolution import MAX_CHOICES

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "texting.md"

_TEXT = """# What people can text

This page is made from the code by `python -m messaging.texting_guide`; a test keeps it so.

Recipients and drivers text our number and never see each other's. A text is read in this order: words that end or
start messages (STOP, START, HELP), an answer to what we asked, a command, and then chat.

## Words for recipients

Everything that can be done on the page has a word, and every word does what the page does.

{table}

Anything else is chat. It goes to the driver while the route is under way, and to support before and after. A picture
sent by MMS is shown in the chat, as one sent from the page is. WORDS is answered with the words themselves, AYUDA in
Spanish:

> {help}

Twilio answers STOP, START, HELP and INFO itself, so with `PORTAL_OPT_OUT_REPLIES=twilio` we do not answer those;
"Stop." or "Help?" it does not know, and we do. With `ours` HELP is answered with the words too.

A word counts only where nothing else could be meant: "LATE 20" is one, "late again!!" is chat. NEIGHBOR counts in
capitals or with a colon behind it. DAY takes one day of the week.

## Answers

- After a delivery we ask for 1 to 5. A whole digit, "4/5" or stars is a rating, and the words behind it are the
  comment. With a unit, a place or a count behind the digit ("5 minutes please", "3rd floor", "2 boxes missing") we ask,
  and support sees the text meanwhile.
- When a text may be about two deliveries we ask "A sofa 10-12, or B lamp 14-16?", {choices} at most. The text waits for
  the answer, and staff see it in their tasks until then.
- SAFE, NEIGHBOR and DAY wait for the dispatcher, who accepts or declines with one click; the answer comes by text.
  Staff can choose that a safe place is agreed at once.

## Words for drivers

A driver's text goes to the recipient whose message was last texted to the driver, and the answer says to whom it went
("{sent}"). To write to another stop, begin with its number: `5: I am at the gate`.
"""


def guide() -> str:
    """Return the whole page in Markdown."""
    contact = reply_text("contact", "en", reach="+12125550199")
    said = reply_text("help", "en", company="Juniper", contact=contact)
    sent = reply_text("driver_sent", "en", stop=5, name="Anna")
    return _TEXT.format(table=words_table(), help=said, sent=sent, choices=MAX_CHOICES)


if __name__ == "__main__":
    GUIDE.write_text(guide(), encoding="utf-8")
