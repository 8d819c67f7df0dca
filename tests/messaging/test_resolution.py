from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.resolution import Candidate, chosen, resolve
from tests.builders import local

NOW = local("11:00")


def candidate(delivery_id: str, **options: object) -> Candidate:
    made = Candidate(
        delivery_id=delivery_id,
        items=delivery_id,
        reference=f"REF-{delivery_id}",
        is_open=True,
        is_under_way=False,
        stop_id=delivery_id,
        window_start_at=local("10:00"),
        spoken_of_at=None,
    )
    return replace(made, **options)  # type: ignore[arg-type]


SOFA, LAMP = candidate("sofa"), candidate("lamp", window_start_at=local("14:00"))


def test_nothing_to_choose_from_is_neither_resolved_nor_asked() -> None:
    found = resolve([], "hello", NOW)
    assert (found.delivery_id, found.choices) == (None, ())


def test_the_only_one_is_meant_without_an_assumption() -> None:
    found = resolve([SOFA], "hello", NOW)
    assert (found.delivery_id, found.assumed) == ("sofa", "")


def test_choices_are_offered_in_the_order_of_their_windows() -> None:
    assert resolve([LAMP, SOFA], "hello", NOW).choices == ("sofa", "lamp")


@pytest.mark.parametrize("text", ["about the lamp", "LAMP!", "lamps", "REF-lamp please", "the lampp"])
def test_a_text_that_names_one_is_about_it(text: str) -> None:
    found = resolve([SOFA, LAMP], text, NOW)
    assert (found.delivery_id, found.assumed) == ("lamp", "named in the text")


@pytest.mark.parametrize("text", ["sofa and lamp", "not the lamp", "hello", "the parcel"])
def test_a_text_that_names_both_or_none_is_asked_about(text: str) -> None:
    assert resolve([SOFA, LAMP], text, NOW).delivery_id is None


def test_words_that_both_have_name_neither() -> None:
    red, blue = candidate("a", items="red chair"), candidate("b", items="blue chair")
    assert resolve([red, blue], "is the chair heavy?", NOW).delivery_id is None
    assert resolve([red, blue], "is the blue one heavy?", NOW).delivery_id == "b"


def test_our_last_text_tells_which() -> None:
    spoken = replace(LAMP, spoken_of_at=NOW - timedelta(hours=1))
    assert resolve([SOFA, spoken], "ok", NOW).delivery_id == "lamp"


def test_a_text_of_ours_from_yesterday_tells_nothing() -> None:
    spoken = replace(LAMP, spoken_of_at=NOW - timedelta(hours=13))
    assert resolve([SOFA, spoken], "ok", NOW).delivery_id is None


def test_an_open_one_is_meant_rather_than_one_that_ended() -> None:
    ended = replace(LAMP, is_open=False)
    found = resolve([SOFA, ended], "hello", NOW)
    assert (found.delivery_id, found.assumed) == ("sofa", "the only one still open")


def test_never_more_than_four_are_offered() -> None:
    many = [candidate(str(number)) for number in range(9)]
    assert len(resolve(many, "hello", NOW).choices) == 4


@given(st.text(max_size=80))
def test_whatever_is_answered_picks_one_of_the_choices_or_none(text: str) -> None:
    assert chosen([SOFA, LAMP], text) in {"sofa", "lamp", None}
