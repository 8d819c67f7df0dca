"""How fast a recipient's page, its fragment and a 304 are: ``python -m bench.bench_pages [--seconds 4] [--rounds 3]``.

All beside a bare Flask reply under the same server (uvicorn and a2wsgi): 8 connections ask one after the other, the
servers on one core, whoever asks on the other; each round asks every address once, in turn. Prints medians and ratios.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.live.house import SERVER_CORE, House, on_core
from sandbox.world import free_port

CONNECTIONS = 8


async def rate(port: int, paths: list[str], seconds: float, tag: str = "") -> float:
    """Return the answers a second; raises ``RuntimeError`` for an answer that is not 200 (304 with a tag)."""
    ends = time.monotonic() + seconds
    counts = await asyncio.gather(*(_ask(port, paths[number::CONNECTIONS], ends, tag) for number in range(CONNECTIONS)))
    return sum(counts) / seconds


async def _ask(port: int, paths: list[str], ends: float, tag: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    more, tags, count = "", dict[str, str](), 0
    wanted = b"304" if tag else b"200"
    while time.monotonic() < ends:
        path = paths[count % len(paths)]
        more = f"If-None-Match: {tags[path]}\r\n" if path in tags else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length: ")
        await reader.readexactly(int(length.split(b"\r\n")[0]) if length else 0)
        if head[9:12] != (wanted if more or not tag else b"200"):
            raise RuntimeError(f"{path} answered {head[:40]!r}")
        if tag:
            tags[path] = head.partition(b"etag: ")[2].split(b"\r\n")[0].decode()
        count += 1
    writer.close()
    return count


def main() -> None:
    """Run the rounds and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipients", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, House(Path(name) / "house", deliveries=options.recipients) as house:
        hello_port, pages_port = free_port(), free_port()
        with on_core(SERVER_CORE):
            command = [sys.executable, "-m", "bench.live.door", str(hello_port)]
            hello = subprocess.Popen(command, env=house.instance.environ)
        try:
            house.instance.wait_for_port(hello_port)
            house.start("pages", "web", "--only", "pages", port=pages_port)
            house.freshen()
            pages = [path.removesuffix("/live") for path in house.paths[: options.recipients]]
            asked = {
                "bare Flask reply": (hello_port, ["/hello"] * CONNECTIONS, ""),
                "page": (pages_port, pages, ""),
                "fragment": (pages_port, [f"{path}/status" for path in pages], ""),
                "304": (pages_port, [f"{path}/status" for path in pages], "tag"),
            }
            found: dict[str, list[float]] = {words: [] for words in asked}
            for port, paths, tag in asked.values():  # a view is learned the first times it is asked for
                asyncio.run(rate(port, paths, 3.0, tag))
            for _ in range(options.rounds):
                for words, (port, paths, tag) in asked.items():
                    found[words].append(asyncio.run(rate(port, paths, options.seconds, tag)))
        finally:
            hello.terminate()
            hello.wait()
    middle = {words: statistics.median(rates) for words, rates in found.items()}
    goals = {"page": ">= 0.5", "fragment": ">= 0.75", "304": ">= 0.85"}
    for words, value in middle.items():
        share = value / middle["bare Flask reply"]
        print(f"{words:18} {value:8.0f} a second {share:6.2f} of a bare reply  {goals.get(words, '')}")


if __name__ == "__main__":
    main()
