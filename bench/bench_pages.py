"""How fast a recipient's page, its fragment and a 304 are: ``python -m bench.bench_pages [--seconds 4] [--rounds 3]``.

All beside a bare Flask reply under the same server (uvicorn and a2wsgi): 8 connections ask one after the other, the
servers on one core, whoever asks on the other; each round asks every address once, in turn. ``page, first time`` is of
links that nobody has opened before. Prints medians and ratios of answers a second, and of the server's processor time
an answer, which other work on the machine disturbs less.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.live.house import ONE_AND_ALL, SERVER_CORE, House, cpu_s, on_core
from sandbox.world import free_port

CONNECTIONS = 8


@dataclass(slots=True)
class Asked:
    """One kind of question, and what its rounds came to. ``once`` holds the addresses that are asked a single time."""

    port: int
    pid: int
    paths: list[str]
    tag: str = ""
    once: bool = False
    goal: str = ""
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def ask(self, seconds: float) -> None:
        """Ask for ``seconds``, and keep the answers a second and the processor time an answer."""
        cpu, began = cpu_s([self.pid]), time.monotonic()
        count = asyncio.run(_count(self, seconds))
        self.rates.append(count / (time.monotonic() - began))
        self.cpu_us.append((cpu_s([self.pid]) - cpu) / count * 1e6)


async def _count(asked: Asked, seconds: float) -> int:
    ends = time.monotonic() + seconds
    return sum(
        await asyncio.gather(
            *(_ask(asked, asked.paths[number::CONNECTIONS], ends) for number in range(CONNECTIONS)),
        )
    )


async def _ask(asked: Asked, paths: list[str], ends: float) -> int:
    """Return how many answers came; raises ``RuntimeError`` for one that is not 200 (304 with a tag)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
    tags, count = dict[str, str](), 0
    while count < len(paths) if asked.once else time.monotonic() < ends:
        path = paths[count % len(paths)]
        more = f"If-None-Match: {tags[path]}\r\n" if path in tags else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length: ")
        await reader.readexactly(int(length.split(b"\r\n")[0]) if length else 0)
        if head[9:12] != (b"304" if more else b"200"):
            raise RuntimeError(f"{path} answered {head[:40]!r}")
        if asked.tag:
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
        hello_port, port = free_port(), free_port()
        with on_core(SERVER_CORE):
            command = [sys.executable, "-m", "bench.live.door", str(hello_port)]
            hello = subprocess.Popen(command, env=house.instance.environ)
        try:
            house.instance.wait_for_port(hello_port)
            pid = house.start("pages", "web", "--only", "pages", port=port)
            house.freshen()
            links = [path.removesuffix("/live") for path in house.paths[: options.recipients * ONE_AND_ALL]]
            pages, fresh = links[: options.recipients], links[options.recipients :]
            polls = [f"{path}/status" for path in pages]
            asked = {
                "bare Flask reply": Asked(hello_port, hello.pid, ["/hello"] * CONNECTIONS),
                "page": Asked(port, pid, pages, goal=">= 0.5"),
                "fragment": Asked(port, pid, polls, goal=">= 0.75"),
                "304": Asked(port, pid, polls, tag="tag", goal=">= 0.85"),
            }
            for each in asked.values():  # code is loaded and views are learned the first times they are asked for
                each.ask(2.0)
                each.rates.clear()
                each.cpu_us.clear()
            asked["page, first time"] = first = Asked(port, pid, [], once=True)
            for number in range(options.rounds):
                first.paths = fresh[number :: options.rounds]
                for each in asked.values():
                    each.ask(options.seconds)
        finally:
            hello.terminate()
            hello.wait()
    report(asked)


def report(asked: dict[str, Asked]) -> None:
    """Print the medians, and their ratios to the first line."""
    bare = next(iter(asked.values()))
    for words, each in asked.items():
        rate, cpu_us = statistics.median(each.rates), statistics.median(each.cpu_us)
        share = f"{rate / statistics.median(bare.rates):5.2f} of a bare reply  {each.goal:7}"
        print(f"{words:18}{rate:7.0f} a second {share} {cpu_us:6.0f} us, {cpu_us / statistics.median(bare.cpu_us):.2f}")


if __name__ == "__main__":
    main()
