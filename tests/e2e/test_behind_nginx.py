"""deploy/nginx.conf as it is, but for names and ports: pages and streams as two processes behind a real nginx."""

import http.client
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sandbox.instance import Instance
from sandbox.world import free_port
from tests.builders import SERVICE_ON, local
from tests.e2e.phones import link_in_text, route_file
from tests.not_run import leave_out

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
ANNA = "+12015550141"


class Site:
    """An instance behind nginx, over TLS with a certificate of our own."""

    def __init__(self, instance: Instance, folder: Path, port: int) -> None:
        self.instance, self.folder, self.port = instance, folder, port

    @contextmanager
    def asked(self, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
        """Yield the answer to a GET, its body unread; trusts the test's certificate."""
        context = ssl.create_default_context(cafile=self.folder / "fullchain.pem")
        with closing(http.client.HTTPSConnection("localhost", self.port, timeout=60, context=context)) as connection:
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                yield answer


def write_configuration(folder: Path, ports: dict[str, int]) -> Path:
    """Write the deployed configuration with this test's ports and files."""
    site = (ROOT / "deploy/nginx.conf").read_text()
    for old, new in (
        ("/etc/ssl/portal/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        ("/opt/portal/static/", f"{ROOT}/static/"),
        ("listen 80;", f"listen 127.0.0.1:{ports['plain']};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{ports['tls']} ssl"),
        ("127.0.0.1:8000", f"127.0.0.1:{ports['pages']}"),
        ("127.0.0.1:8001", f"127.0.0.1:{ports['live']}"),
    ):
        assert old in site
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\nevents {{}}\n"
        f"http {{ include /etc/nginx/mime.types; {temporary} include {folder}/site.conf; }}\n"
    )
    return main


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx, openssl = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        leave_out("pages and streams behind nginx", "nginx or openssl was not found")
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    words = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(
        [openssl, "req", "-x509", *words, "subjectAltName=DNS:localhost", *files], check=True, capture_output=True
    )
    ports = {name: free_port() for name in ("plain", "tls", "pages", "live")}
    settings = {
        "PORTAL_PUBLIC_URL": f"https://localhost:{ports['tls']}",
        "PORTAL_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    evening = local("17:30").replace(day=4)
    with Instance(tmp_path_factory.mktemp("instance"), day=evening, settings=settings) as instance:
        instance.start("pages", "web", "--only", "pages", "--port", str(ports["pages"]))
        instance.start("live", "web", "--only", "live", "--port", str(ports["live"]))
        process = subprocess.Popen([nginx, "-c", str(write_configuration(folder, ports))], stderr=subprocess.DEVNULL)
        try:
            instance.wait_for_port(ports["pages"])
            instance.wait_for_port(ports["live"])
            instance.wait_for_port(ports["tls"])
            yield Site(instance, folder, ports["tls"])
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def path(site: Site) -> str:
    """The path of a recipient's page, from the text they got."""
    rows = [
        {"sequence": 1, "reference": "N-1", "recipient": "Anna Berg", "phone": ANNA, "address": "1 Elm Street",
         "lat": 40.714, "lon": -74.347}
    ]  # fmt: skip
    file = site.folder / "routes.csv"
    file.write_bytes(route_file(rows, on=SERVICE_ON))
    site.instance.run("routes", "import", str(file))
    site.instance.set_day(local("18:01").replace(day=4))
    link = link_in_text(site.instance.world, ANNA, "tomorrow")
    return link.removeprefix(f"https://localhost:{site.port}")


def say(site: Site, path: str, body: str) -> None:
    """Write as the recipient, past nginx, to the process that still serves pages."""
    headers = {
        "Origin": f"https://localhost:{site.port}",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Forwarded-Proto": "https",
    }
    connection = http.client.HTTPConnection("127.0.0.1", site.instance.port, timeout=60)
    connection.request("POST", f"{path}/messages", urlencode({"body": body, "request_id": "r" * 32}), headers)
    assert connection.getresponse().status in {200, 303}
    connection.close()


def test_page_is_served_over_tls_with_its_headers(site: Site, path: str) -> None:
    with site.asked(path) as answer:
        assert answer.status == 200
        assert "Strict-Transport-Security" in answer.headers
        assert b"Anna" in answer.read()


@pytest.mark.parametrize(("place", "is_packed"), [("", True), ("/static/css/base.css", True), ("/staff/login", False)])
def test_only_what_holds_no_secret_of_a_login_is_compressed(site: Site, path: str, place: str, is_packed: bool) -> None:
    with site.asked(place or path, **{"Accept-Encoding": "gzip"}) as answer:
        assert answer.status == 200
        assert (answer.headers["Content-Encoding"] == "gzip") is is_packed


def test_stream_goes_on_while_the_pages_are_replaced(site: Site, path: str) -> None:
    with site.asked(f"{path}/live") as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.readline()
        site.instance.stop("pages")
        with site.asked(path) as answer:
            assert answer.status == 502
        say(site, path, "Please ring twice")
        seen = b""
        while b"Please ring twice" not in seen:
            line = stream.readline()
            assert line, "the stream ended"
            seen += line


def test_tokens_stay_out_of_the_log(site: Site, path: str) -> None:
    with site.asked(path) as answer:
        answer.read()
    token = path.rsplit("/", 1)[1]
    logged = (site.folder / "portal.log").read_text()
    assert "/t/-" in logged
    assert token not in logged
    for name in ("error.log", "portal-error.log"):
        assert token not in (site.folder / name).read_text()


def test_streams_are_told_to_come_back_when_the_live_half_is_replaced(site: Site, path: str) -> None:
    words = site.instance.processes["live"].args
    assert isinstance(words, list)
    port = str(words[-1])
    with site.asked(f"{path}/live") as stream:
        assert stream.readline()
        site.instance.stop("live")
        told = stream.read()
    assert b"event: later" in told  # and the stream ended in good order: an incomplete one raises
    site.instance.start("live", "web", "--only", "live", "--port", port)
    site.instance.wait_for_port(int(port))
    with site.asked(f"{path}/live") as stream:
        assert stream.status == 200
