"""Photos in chats: from the page, from the driver, by MMS; who may see them, and what is refused."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO

import pytest
from aiohttp import web
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from messaging.channels.twilio_media import NoMedia, TwilioMedia
from messaging.channels.twilio_places import REAL_URL, media_home
from messaging.chat_pictures import ChatPicture, PictureStatus, expect_pictures
from messaging.conversations import Voice, thread
from messaging.inbound import read_inbound, record_inbound
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.picture_fetching import MOST_ATTEMPTS, fetch_pictures, has_waiting
from portal.mms import media_urls
from portal.services import Services
from tests.messaging.phone import CONTEXT, OURS
from tests.portal.driver_shift import Shift, prepare
from tests.portal.recipient_day import NOW, on_the_way, token_of
from tests.portal.staff_browser import StaffBrowser
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.ids import new_id
from tracking.links import LinkSigner

ORIGIN = {"Origin": "http://127.0.0.1:8000"}
HTMX = {**ORIGIN, "HX-Request": "true"}
ACCOUNT = "AC" + "0" * 32


@pytest.fixture
def delivery(services: Services) -> Delivery:
    with services.database.writing() as session:
        return on_the_way(session, phone="+12015550111")


@pytest.fixture
def token(services: Services, delivery: Delivery, signer: LinkSigner) -> str:
    with services.database.writing() as session:
        return token_of(session, delivery, signer)


def photo(*, with_place: bool = False) -> bytes:
    image, out = Image.new("RGB", (40, 30), "teal"), BytesIO()
    exif = Image.Exif()
    if with_place:
        exif[0x010F] = "Somebody's phone"
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def send(client: FlaskClient, path: str, data: bytes, *, body: str = "", request_id: str = "r1") -> int:
    form = {"body": body, "request_id": request_id, "photo": (BytesIO(data), "IMG_1.jpg")}
    return client.post(path, data=form, headers=HTMX, content_type="multipart/form-data").status_code


def pictures(services: Services) -> list[ChatPicture]:
    with services.database.reading() as session:
        return list(session.scalars(select(ChatPicture).order_by(ChatPicture.created_at)))


def test_a_photo_without_words_is_a_line_and_goes_to_the_driver_as_words(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    assert send(client, f"/t/{token}/messages", photo(with_place=True)) == 200
    [row] = pictures(services)
    page = client.get(f"/t/{token}").text
    assert f'data-picture="{row.id}"' in page
    assert "(a picture)" not in page
    shown = client.get(f"/t/{token}/picture/{row.id}")
    assert (shown.status_code, shown.content_type) == (200, "image/jpeg")
    assert b"Somebody" not in shown.data
    assert "private" in shown.headers["Cache-Control"]
    with services.database.reading() as session:
        [text] = session.scalars(select(Notification).where(Notification.kind == Kind.CHAT))
    assert text.context["text"].endswith("Anna: (a picture)")


def test_without_javascript_the_photo_is_on_the_messages_page(
    client: FlaskClient, services: Services, token: str
) -> None:
    form = {"body": "look", "request_id": "r1", "photo": (BytesIO(photo()), "a.jpg")}
    answer = client.post(f"/t/{token}/messages", data=form, headers=ORIGIN, content_type="multipart/form-data")
    assert answer.status_code == 303
    [row] = pictures(services)
    page = client.get(f"/t/{token}/messages").text
    assert f'src="/t/{token}/picture/{row.id}"' in page.partition("<noscript>")[2]


def test_a_photo_sent_twice_is_one(client: FlaskClient, services: Services, token: str) -> None:
    for _ in range(2):
        assert send(client, f"/t/{token}/messages", photo(), body="look") == 200
    assert len(pictures(services)) == 1


def test_what_is_no_photo_is_refused_in_the_readers_language(
    client: FlaskClient, services: Services, token: str
) -> None:
    form = {"body": "look", "photo": (BytesIO(b"%PDF-1.7"), "a.jpg")}
    refused = client.post(f"/t/{token}/messages?lang=es", data=form, headers=HTMX, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "no es una foto" in refused.text
    assert pictures(services) == []


def test_a_picture_is_shown_only_in_its_own_thread(
    client: FlaskClient, services: Services, signer: LinkSigner, token: str
) -> None:
    send(client, f"/t/{token}/messages", photo())
    [row] = pictures(services)
    with services.database.writing() as session:
        other = token_of(session, on_the_way(session, driver_phone="+12015550199"), signer)
    assert client.get(f"/t/{other}/picture/{row.id}").status_code == 404
    assert client.get(f"/t/{token}/picture/{'0' * 32}").status_code == 404
    assert client.get(f"/d/deliveries/x/pictures/{row.id}").status_code == 401
    assert client.get(f"/staff/conversations/x/pictures/{row.id}").status_code == 303


@pytest.fixture
def shift(services: Services, client: FlaskClient) -> Shift:
    made = prepare(services, DeliveryStatus.OUT_FOR_DELIVERY)
    client.post(made.path, headers=ORIGIN)
    return made


def test_a_driver_sends_a_photo_and_the_recipient_gets_a_link_by_text(
    client: FlaskClient, services: Services, shift: Shift, signer: LinkSigner
) -> None:
    delivery_id = shift.delivery_ids[0]
    assert send(client, f"/d/deliveries/{delivery_id}/messages", photo()) == 200
    [row] = pictures(services)
    page = client.get(f"/d/stops/{shift.stop_ids[0]}").text
    assert f"/d/deliveries/{delivery_id}/pictures/{row.id}" in page
    assert client.get(f"/d/deliveries/{delivery_id}/pictures/{row.id}").status_code == 200
    assert client.get(f"/d/deliveries/{shift.delivery_ids[1]}/pictures/{row.id}").status_code == 404
    with services.database.reading() as session:
        [text] = session.scalars(select(Notification).where(Notification.kind == Kind.CHAT))
        assert text.context["text"] == "Dana (driver): (a picture)"  # the text's template adds the page's link
    assert send(client, f"/d/deliveries/{delivery_id}/messages", b"GIF89a", request_id="r2") == 422


def test_staff_see_it_in_the_conversation(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    send(client, f"/t/{token}/messages", photo())
    [row] = pictures(services)
    staff = StaffBrowser(client, services)
    path = f"/staff/conversations/{delivery.id}/pictures/{row.id}"
    assert path in staff.get(f"/staff/conversations/{delivery.id}").text
    assert staff.get(path).content_type == "image/jpeg"


# By MMS


def media_path(number: int = 1) -> str:
    return f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'1' * 32}/Media/ME{number:032x}"


@asynccontextmanager
async def twilio(answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[str]:
    """Stand in for Twilio's media."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def fetcher(url: str | None) -> TwilioMedia:
    return TwilioMedia(account_sid=ACCOUNT, auth_token="secret", api_url=url, timeout_s=60)


def came(services: Services, url: str, body: str = "") -> str:
    with services.database.writing() as session:
        inbound_id = record_inbound(
            session,
            inbound_id=new_id(),
            channel=Channel.SMS,
            provider_ref=f"MM{new_id()}",
            from_address="+12015550111",
            to_address=OURS,
            body=body,
            received_at=NOW,
        )
        assert inbound_id is not None
        expect_pictures(session, inbound_id, [url], now=NOW, ids=new_id)
        read_inbound(session, inbound_id, now=NOW, context=replace(CONTEXT))
    return inbound_id


def test_an_mms_is_a_line_whose_picture_is_fetched_with_our_credentials(services: Services, delivery: Delivery) -> None:
    seen: list[str | None] = []

    def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        if "Media" in request.path:
            return web.Response(status=307, headers={"Location": "/store/picture.jpg"})
        return web.Response(body=photo(), content_type="image/jpeg")

    async def run() -> list[str]:
        async with twilio(answer) as url:
            came(services, REAL_URL + media_path())  # the host in the webhook is never the one that is asked
            return await fetch_pictures(
                database=services.database, files=services.files, media=fetcher(url), clock=services.clock
            )

    assert asyncio.run(run()) == [delivery.id]
    assert seen == ["Basic " + base64.b64encode(f"{ACCOUNT}:secret".encode()).decode(), None]
    with services.database.reading() as session:
        [line] = [one for one in thread(session, delivery.id, audience=Voice.DRIVER, now=NOW).lines if one.id > 0]
    assert (line.body, [shown.status for shown in line.pictures]) == ("", [PictureStatus.READY])
    assert not has_waiting(services.database, services.clock.elapsed())


@pytest.mark.parametrize(
    ("status", "content_type", "body", "becomes"),
    [
        (200, "image/jpeg", b"no photo at all", PictureStatus.REFUSED),
        (200, "video/mp4", b"x", PictureStatus.FAILED),
        (404, "text/plain", b"", PictureStatus.FAILED),
        (307, "text/plain", b"", PictureStatus.FAILED),  # to another host
        (503, "text/plain", b"", PictureStatus.WAITING),
        (401, "text/plain", b"", PictureStatus.WAITING),
    ],
)
def test_what_cannot_be_shown_says_so_and_trouble_is_tried_again(
    services: Services, delivery: Delivery, status: int, content_type: str, body: bytes, becomes: PictureStatus
) -> None:
    def answer(_request: web.Request) -> web.Response:
        where = {"Location": "http://127.0.0.2:9/elsewhere"} if status == 307 else {}
        return web.Response(status=status, body=body, content_type=content_type, headers=where)

    async def run() -> None:
        async with twilio(answer) as url:
            came(services, url + media_path(), body="here")
            await fetch_pictures(
                database=services.database, files=services.files, media=fetcher(url), clock=services.clock
            )

    asyncio.run(run())
    [row] = pictures(services)
    assert row.status is becomes
    if becomes is PictureStatus.WAITING:
        assert row.retry_after is not None
        assert row.attempts == 1 < MOST_ATTEMPTS


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example" + media_path(),
        REAL_URL + media_path().replace(ACCOUNT, "AC" + "9" * 32),
        REAL_URL + "/2010-04-01/Accounts.json",
        "http://api.twilio.com" + media_path(),
        REAL_URL + media_path() + "/../../x",
        "",
    ],
)
def test_no_other_address_is_ever_asked(url: str) -> None:
    assert not media_home(ACCOUNT, None).holds(url)
    with pytest.raises(NoMedia, match="no address of our account"):
        asyncio.run(fetcher(None).fetch(url))


@pytest.mark.parametrize(
    ("target", "may"),
    [
        ("https://mms.twiliocdn.com/AC1/x?Expires=1", True),
        ("https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC1/x", True),
        ("https://s3-external-1.amazonaws.com/other/x", False),
        ("https://twiliocdn.com.evil.example/x", False),
        ("http://mms.twiliocdn.com/x", False),
        ("https://169.254.169.254/", False),
    ],
)
def test_only_twilios_own_stores_are_followed(target: str, may: bool) -> None:
    assert fetcher(None)._may_follow(target) is may
    assert fetcher("http://127.0.0.1:1")._may_follow(target) is False


def test_a_webhook_names_at_most_ten_pictures_of_ours(services: Services) -> None:
    settings = replace(services.settings, twilio_account_sid=ACCOUNT)
    form = {"NumMedia": "12"} | {f"MediaUrl{number}": REAL_URL + media_path(number) for number in range(12)}
    assert len(media_urls(form, settings)) == 10
    assert media_urls({**form, "MediaUrl0": "https://evil.example/x"}, settings)[0] == REAL_URL + media_path(1)
    assert media_urls({"NumMedia": "٣"}, settings) == []
    assert media_urls({}, settings) == []


def test_a_tapped_line_is_read_in_the_readers_language(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    with services.database.writing() as session:
        load(session, delivery.id).locale = "es"
    assert "Toque el timbre, por favor" in client.get(f"/t/{token}").text
    client.post(f"/t/{token}/messages", data={"quick": "Toque el timbre, por favor"}, headers=HTMX)
    with services.database.reading() as session:
        [line] = [one for one in thread(session, delivery.id, audience=Voice.DRIVER, now=NOW).lines if one.id > 0]
        [text] = session.scalars(select(Notification).where(Notification.kind == Kind.CHAT))
    assert line.body == "Please ring the bell"
    assert text.context["text"].endswith("Anna: Please ring the bell")
