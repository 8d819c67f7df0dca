"""The codes that a phone scans hold what each app reads: OwnTracks' inline configuration, Traccar Client's address."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

from portal.staff.drivers import device_code

SITE = "https://track.example.com"
TOKEN = "abcDEF0123456789-_xyzw"


def test_owntracks_is_set_up_by_one_code() -> None:
    _, content = device_code("owntracks", "Dana's phone", TOKEN, SITE)
    assert content.startswith("owntracks:///config?inline=")
    [inline] = parse_qs(urlsplit(content).query)["inline"]
    told = json.loads(base64.b64decode(inline))
    assert told["_type"] == "configuration"
    assert (told["mode"], told["url"]) == (3, f"{SITE}/ingest/owntracks")  # 3 is HTTP
    assert (told["auth"], told["password"], len(told["tid"])) == (True, TOKEN, 2)


def test_traccar_client_takes_server_and_identifier_from_one_address() -> None:
    _, content = device_code("traccar", "Dana's phone", TOKEN, SITE)
    parts = urlsplit(content)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{SITE}/ingest/osmand"
    assert parse_qs(parts.query)["id"] == [TOKEN]


def test_osmand_gets_an_address_with_its_own_blanks() -> None:
    address, content = device_code("osmand", "Dana's phone", TOKEN, SITE)
    assert content == address
    assert address.format(40.7, -74.3, 1772643600000, 1.5, 12, 9.5, 90).endswith(
        "&lat=40.7&lon=-74.3&timestamp=1772643600000&hdop=1.5&altitude=12&speed=9.5&bearing=90"
    )
