"""The addresses that recipients' pages are made with are the ones that Flask listens to."""

import pytest
from flask import Flask, url_for

from portal.recipient.addresses import PATHS, Here

TOKEN = "AAkisCnzasJ.LhZ2Ss71o-qmgNRy8VdDW_"


@pytest.mark.parametrize("language", [None, "es"])
@pytest.mark.parametrize("view", PATHS)
def test_each_address_is_flasks(app: Flask, view: str, language: str | None) -> None:
    values = {name: "-" for name in ("proof_id", "picture_id") if name in PATHS[view]}
    with app.test_request_context():
        theirs = url_for(f"recipient.{view}", token=TOKEN, lang=language, **values)
    assert Here(TOKEN, language).url(view, **values) == theirs


def test_files_and_the_map_have_flasks_addresses_too(app: Flask) -> None:
    with app.test_request_context():
        assert app.jinja_env.globals["static"]("css/base.css") == url_for("static", filename="css/base.css")  # type: ignore[operator]
        assert url_for("recipient.map_script", v="1") == "/map.js?v=1"
