"""A stencil: rendered once, filled for every answer."""

import pytest

from portal.stencils import Stencil


def test_gaps_are_filled_as_often_as_they_stand_and_the_rest_is_kept() -> None:
    stencil = Stencil("<a b=N1>é<p>old</p>N1.*", {"nonce": "N1", "age": "<p>old</p>", "other": "none"})
    assert stencil.filled({"nonce": "x", "age": "N1", "other": ""}) == "<a b=x>éN1x.*".encode()


def test_a_gap_nobody_fills_is_an_error() -> None:
    with pytest.raises(KeyError):
        Stencil("N1", {"nonce": "N1"}).filled({})
