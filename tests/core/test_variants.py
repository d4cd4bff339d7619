"""The same answers from every build (I5), no undefined behaviour, and planted bugs that the streams must find.

Determinism across compilers and optimisation levels by a digest of all events and snapshots; the address and undefined
behaviour sanitizers abort the process on their first finding. A planted bug that answers like the naive core would mean
that the differential test is blind there.
"""

import subprocess
import sys

import pytest

from matching_core.naive import NaiveBook
from tests.core.variants import answers, answers_of_variant, build_variant

PROFILES = "shallow,self-trades,wild-prices,churn-in-batch"


@pytest.fixture(scope="module")
def wanted() -> str:
    return answers(NaiveBook, PROFILES)


@pytest.mark.parametrize(("cc", "cflags"), [
    ("cc", ""),
    ("cc", "-O0"),
    ("python -m ziglang cc -target x86_64-linux-gnu.2.34", "-O2"),
], ids=["release", "unoptimised", "clang"])
def test_every_build_answers_the_same(tmp_path, wanted: str, cc: str, cflags: str) -> None:
    folder = build_variant(tmp_path, cc=cc.replace("python", sys.executable), cflags=cflags)
    assert answers_of_variant(folder, PROFILES) == wanted


def test_sanitizers_find_nothing(tmp_path, wanted: str) -> None:
    libraries = [subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
                 for name in ("libasan.so", "libubsan.so")]
    if not all(library.startswith("/") for library in libraries):
        pytest.skip("the system compiler has no sanitizer libraries")
    folder = build_variant(tmp_path, cflags="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all")
    assert answers_of_variant(folder, PROFILES, preload=" ".join(libraries)) == wanted


PLANTED = {
    "a level's queue is taken from its end": ("match.h", "const uint32_t maker = level->head;",
                                              "const uint32_t maker = level->tail;"),
    "a sell crosses one tick too far": ("rules.h", "return price_ticks >= limit;", "return price_ticks >= limit - 1;"),
    "the undo forgets reductions": ("orders.h", "node->lots += step.lots;", ";"),
    "a neighbour is linked on the wrong side": ("levels.h", "higher == (side == BUY)", "higher == (side == SELL)"),
    "a dropped level stays in the near table": ("levels.h", "    if (*slot == index) {\n        *slot = NONE;\n    }\n", ""),
    "deletion leaves a hole in the id table": ("ids.h", "            hole = slot;", "            hole = slot; break;"),
    "fok counts own orders": ("rules.h", "} else if (taker->stp != CANCEL_OLDEST) {\n                return 0;",
                              "} else if (taker->stp != CANCEL_OLDEST) {\n                wanted -= maker->lots;"),
    "the level's total misses self-trade reductions": ("orders.h", "    node->lots -= lots;\n    level->lots -= lots;",
                                                       "    node->lots -= lots;"),
    "a level change is reported though nothing differs": (
        "changes.h", "lots == before->lots && orders == before->orders", "lots == before->lots && orders == 0"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(tmp_path, wanted: str, name: str) -> None:
    folder = build_variant(tmp_path, cflags="-O1", plant=PLANTED[name])
    assert answers_of_variant(folder, PROFILES) != wanted
