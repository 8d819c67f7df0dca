"""Just enough of the portal's pages for drivers and recipients to play on: one route, in memory."""

from dataclasses import dataclass, field

from aiohttp import web

from sandbox.day import Route


@dataclass
class FakePortal:
    """Serves the driver's and the recipients' pages of ``route``; remembers what was posted."""

    route: Route
    started: bool = False
    finished: bool = False
    loaded: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, dict] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    positions: list[dict] = field(default_factory=list)
    ratings: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    inbound: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    is_another_phone: bool = False  # has the driver's link

    def app(self) -> web.Application:
        app = web.Application(client_max_size=9_000_000, middlewares=[self.bind])
        app.add_routes(
            [
                web.get("/d/", self.day),
                web.post("/d/do/{what}", self.do),
                web.post("/d/{reference}/do/{what}", self.do),
                web.get("/d/{token}", self.gate),
                web.post("/d/{token}", self.open),
                web.get("/d/stops/{number}", self.stop),
                web.post("/d/stops/{number}/{reference}/{what}", self.hand_over),
                web.get("/t/{reference}", self.track),
                web.post("/t/{reference}/{what}", self.answer),
                web.post("/ingest/positions", self.ingest),
                web.post("/webhooks/twilio/inbound", self.hear),
            ]
        )
        return app

    @web.middleware
    async def bind(self, request, handler):
        if self.is_another_phone and request.path.startswith("/d/"):
            return web.Response(status=403, text="Open on another phone")
        if self.is_another_phone and request.path == "/ingest/positions":
            return web.Response(status=401)
        return await handler(request)

    async def gate(self, request):
        return page('<form method="post" data-form="open"><button>Open</button></form>')

    async def open(self, request):
        answer = web.HTTPSeeOther("/d/")
        answer.set_cookie("shift", "yes")
        raise answer

    async def day(self, request):
        assert request.cookies.get("shift") == "yes"
        drops = [drop for stop in self.route.stops for drop in stop.drops]
        forms = ""
        for drop in drops:
            if drop.reference not in self.loaded:
                base = f"/d/{drop.reference}/do"
                forms += f'<form method="post" action="{base}/loaded" data-form="loaded"></form>'
                forms += f'<form method="post" action="{base}/missing" data-form="not-loaded"></form>'
        name = "finish" if self.started else "start"
        forms += f'<form method="post" action="/d/do/{name}" data-form="{name}"><button>Go</button></form>'
        links = "".join(f'<a href="/d/stops/{s.sequence}" data-stop="{s.sequence}">Stop</a>' for s in self.route.stops)
        return page(forms + links, 'data-device-token="dev-1"')

    async def do(self, request):
        what = request.match_info["what"]
        assert request.headers["Origin"] == f"http://127.0.0.1:{self.port}"
        if what in {"loaded", "missing"}:
            self.loaded[request.match_info["reference"]] = what
        self.started |= what == "start"
        self.finished |= what == "finish"
        raise web.HTTPSeeOther("/d/")

    async def stop(self, request):
        stop = self.route.stops[int(request.match_info["number"]) - 1]
        forms = ""
        for drop in stop.drops:
            if self.loaded.get(drop.reference) != "loaded" or drop.reference in self.outcomes:
                continue
            base = f"/d/stops/{stop.sequence}/{drop.reference}"
            forms += f'<form method="post" action="{base}/arrived" data-form="arrived"></form>'
            forms += (
                f'<form method="post" enctype="multipart/form-data" action="{base}/delivered" data-form="delivered">'
                '<input type="file" name="photo"><input type="hidden" name="signature">'
                '<input name="received_by"><input type="hidden" name="request_id" value="r1"></form>'
            )
            forms += (
                f'<form method="post" action="{base}/failed" data-form="failed"><select name="reason">'
                '<option value="">Choose</option><option value="nobody_home">Nobody home</option></select>'
                '<textarea name="note"></textarea></form>'
            )
        return page(f"<h1>{stop.house.address}, Alder Falls</h1>{forms}")

    async def hand_over(self, request):
        form = await request.post()
        what, reference = request.match_info["what"], request.match_info["reference"]
        if what == "arrived":
            self.arrived.append(reference)
        else:
            kept = {name: value for name, value in form.items() if isinstance(value, str)}
            if "photo" in form:
                kept["photo_bytes"] = len(form["photo"].file.read())
            self.outcomes[reference] = {"what": what, **kept}
        raise web.HTTPSeeOther(f"/d/stops/{request.match_info['number']}")

    async def track(self, request):
        reference = request.match_info["reference"]
        base = f"/t/{reference}"
        forms = f'<form method="post" action="{base}/note" data-form="note"><textarea name="note"></textarea></form>'
        forms += (
            f'<form method="post" action="{base}/messages" data-form="message"><textarea name="body"></textarea></form>'
        )
        if self.outcomes.get(reference, {}).get("what") == "delivered":
            forms += (
                f'<form method="post" action="{base}/rating" data-form="rating">'
                '<input type="radio" name="score" value="5">'
                '<textarea name="comment"></textarea></form>'
            )
        return page(forms)

    async def answer(self, request):
        form, reference = await request.post(), request.match_info["reference"]
        match request.match_info["what"]:
            case "note":
                self.notes[reference] = form["note"]
            case "messages":
                self.messages[reference] = form["body"]
            case "rating":
                self.ratings[reference] = form["score"]
        raise web.HTTPSeeOther(f"/t/{reference}")

    async def ingest(self, request):
        assert request.headers["Authorization"] == "Bearer dev-1"
        batch = (await request.json())["positions"]
        assert len(batch) <= 500
        self.positions.extend(batch)
        return web.json_response([{"index": index, "status": "stored"} for index in range(len(batch))])

    async def hear(self, request):
        form = await request.post()
        self.inbound.append((form["From"], form["Body"]))
        return web.Response(text="<Response/>", content_type="text/xml")


def page(content: str, body: str = "") -> web.Response:
    return web.Response(text=f"<!doctype html><body {body}>{content}", content_type="text/html")
