import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from messaging.segments import Encoding, encoding_of, folded, plain, segment_count
from tests.not_run import leave_out

ROOT = Path(__file__).resolve().parents[2]
TEXTS = int(os.environ.get("SEGMENT_TEXTS", "4000"))  # 20,000 in the long run
JUDGE = """
const { SegmentedMessage } = require("sms-segments-calculator");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => new SegmentedMessage(text).segments.length)));
"""
FAMILY = ("👨\u200d👩\u200d👧", "🇪🇸", "👍🏽", "👍", "h", " ")  # each seen as one letter
ALPHABETS: tuple[str | tuple[str, ...], ...] = (
    "abc XYZ 0189 @£$¥èéùìòÇØøÅå_ÆæßÉ!\"#%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà\n",
    "abc €^{}[]~|\\",
    "жщюя абв 12",
    "日本語 かな",
    "ab’–ç ê\t`",
    "🚚📦👍 ok",
    "e\u0301o\u0308 n",
    FAMILY,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("🚚" * 35, 1),
        ("🚚" * 36, 2),
        ("a" * 166 + "’", 3),
        ("", 1),
    ],
)
def test_counts_are_those_measured_with_twilios_calculator(text: str, count: int) -> None:
    assert segment_count(text) == count


def judged(texts: list[str]) -> list[int]:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules/sms-segments-calculator").is_dir():
        leave_out("segments against Twilio's own calculator", "node and node_modules are not here")
        pytest.skip("no node")
    done = subprocess.run([node, "-e", JUDGE], input=json.dumps(texts).encode(), capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    counts: list[int] = json.loads(done.stdout)
    return counts


def test_random_texts_count_as_twilios_calculator_counts_them() -> None:
    rng = random.Random(7)
    lengths = [rng.choice((rng.randint(0, 80), rng.randint(120, 170))) for _ in range(TEXTS)]
    texts = ["".join(rng.choices(rng.choice(ALPHABETS), k=length)) for length in lengths]

    counts = judged(texts)

    assert [text for text, count in zip(texts, counts, strict=True) if segment_count(text) != count] == []


def test_typography_becomes_gsm_but_letters_of_names_stay() -> None:
    assert plain("Ana’s – “gate”…\u00a05") == 'Ana\'s - "gate"... 5'
    assert plain("Zoë Łukasz") == "Zoë Łukasz"
    assert encoding_of(folded("Su envío llegará mañana: ¿qué tal?")) is Encoding.GSM7
