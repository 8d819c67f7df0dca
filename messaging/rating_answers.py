"""Rating answers: a text as the answer to a question about a rating: which one, whether it was one, what went wrong."""

from messaging.cases import add_words
from messaging.commands import parse_command
from messaging.inbound_reading import Reading
from messaging.inbound_texts import Question, QuestionKind, ReadAs
from messaging.opt_out_words import words_of
from messaging.questions import ask, close, open_question, rating_asked_of
from messaging.ratings import CannotRate, ParsedRating, rate, read_rating
from messaging.recipient_lines import chat
from tracking.deliveries import Delivery, DeliveryStatus, load

_AGREED = frozenset({"YES", "Y", "YEP", "YEAH", "SI", "OUI", "JA", "SIM", "OK", "YES PLEASE"})
_DENIED = frozenset({"NO", "NOPE", "N", "NON", "NEIN", "NAO"})


def read_answer(reading: Reading) -> bool:
    """Read the text as an answer to what this number was asked about a rating; False when it is none."""
    return _meant(reading) or _rated(reading) or _followed_up(reading)


def rate_by_word(reading: Reading, text: str, delivery: Delivery) -> None:
    """Take ``RATE 4 and why`` as a rating of a delivery that is there, asked for or not; else say how or when."""
    if delivery.status is not DeliveryStatus.DELIVERED:
        reading.reply("rate_early", delivery.locale, delivery_id=delivery.id)
        return
    rating = read_rating(text).rating
    if rating is None:
        reading.reply("rate_how", delivery.locale, delivery_id=delivery.id)
        return
    _take(reading, delivery, rating)


def _meant(reading: Reading) -> bool:
    """Read an answer to "did you mean a rating?": a rating, yes where a score was written, or no."""
    question = open_question(reading.session, reading.address, QuestionKind.DID_YOU_MEAN_RATING, reading.now)
    if question is None or question.delivery_id is None:
        return False
    said = words_of(reading.inbound.body)
    rating = read_rating(reading.inbound.body).rating
    if rating is None and said in _AGREED and question.choices:
        rating = ParsedRating(int(question.choices), "")
    if rating is None and said not in _DENIED:
        return False
    close(reading.session, reading.address, QuestionKind.DID_YOU_MEAN_RATING, reading.now)
    if rating is None:
        reading.settle(ReadAs.ANSWER, question.delivery_id)
        return True
    _take(reading, load(reading.session, question.delivery_id), rating)
    return True


def _rated(reading: Reading) -> bool:
    delivery_id = rating_asked_of(reading.session, reading.address, reading.now)
    if delivery_id is None:
        return False
    found = read_rating(reading.inbound.body)
    if found.rating is None and not found.is_doubtful:
        return False
    delivery = load(reading.session, delivery_id)
    if found.rating is not None:
        _take(reading, delivery, found.rating)
        return True
    # Said to support at once, so that nothing waits for an answer that may never come.
    chat(reading, delivery, assumed="in answer to our question for a rating")
    ask(
        reading.session,
        address=reading.address,
        kind=QuestionKind.DID_YOU_MEAN_RATING,
        now=reading.now,
        ids=reading.context.ids,
        delivery_id=delivery_id,
        inbound_id=reading.inbound.id,
        choices=(str(found.maybe),) if found.maybe else (),
    )
    reading.reply("did_you_mean", delivery.locale, delivery_id=delivery_id)
    return True


def _take(reading: Reading, delivery: Delivery, rating: ParsedRating) -> None:
    """Record the rating and thank once; a low score gets a case, and the question why when there were no words."""
    try:
        rated = rate(
            reading.session,
            delivery_id=delivery.id,
            score=rating.score,
            comment=rating.comment,
            source="sms",
            now=reading.now,
            ids=reading.context.ids,
        )
    except CannotRate as refusal:
        # The digit is nothing to support; words behind it are.
        if rating.comment:
            chat(reading, delivery)
        reading.settle(ReadAs.RATING, delivery.id)
        reading.reply("cannot_rate", delivery.locale, delivery_id=delivery.id, sentence=str(refusal))
        return
    close(reading.session, reading.address, QuestionKind.RATING, reading.now)
    close(reading.session, reading.address, QuestionKind.DID_YOU_MEAN_RATING, reading.now)
    reading.settle(ReadAs.RATING, delivery.id)
    reading.changed(delivery.id, is_delivery=True)
    if rated.score > 2:
        reading.reply("thanks", delivery.locale, delivery_id=delivery.id, subject=delivery.id)
    elif rated.comment:
        reading.reply("sorry", delivery.locale, delivery_id=delivery.id, subject=delivery.id)
    else:
        _ask_why(reading, delivery)


def _ask_why(reading: Reading, delivery: Delivery) -> None:
    ask(
        reading.session,
        address=reading.address,
        kind=QuestionKind.CASE_FOLLOW_UP,
        now=reading.now,
        ids=reading.context.ids,
        delivery_id=delivery.id,
        inbound_id=reading.inbound.id,
    )
    reading.reply("sorry_why", delivery.locale, delivery_id=delivery.id, subject=delivery.id)


def _followed_up(reading: Reading) -> bool:
    """Add free words to the case we asked about; they are in the thread too."""
    question: Question | None = open_question(
        reading.session, reading.address, QuestionKind.CASE_FOLLOW_UP, reading.now
    )
    if question is None or question.delivery_id is None or parse_command(reading.inbound.body) is not None:
        return False
    delivery = load(reading.session, question.delivery_id)
    if add_words(reading.session, delivery.id, reading.inbound.body.strip()) is None:
        return False
    close(reading.session, reading.address, QuestionKind.CASE_FOLLOW_UP, reading.now)
    chat(reading, delivery, assumed="in answer to what went wrong")
    reading.settle(ReadAs.ANSWER, delivery.id, "in answer to what went wrong")
    reading.reply("follow_up", delivery.locale, delivery_id=delivery.id, subject=delivery.id)
    return True
