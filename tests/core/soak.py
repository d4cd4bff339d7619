"""Random markets on both cores for as long as one likes: `python -m tests.core.soak --seconds 600 [--seed 1]`.

Each round is one integer: from it come the profile (shares of commands, depth, accounts, scenes), the stream and the changed
snapshots at its end. A difference ends the run, names the seed and the batch, and exits with 1; `--seed N --rounds 1` plays
that round again.
"""

import argparse
import random
import sys
import time
from collections import Counter

from matching_core import Book, DamagedSnapshot
from matching_core.naive import NaiveBook
from tests.core.duel import Difference, Duel
from tests.core.scenes import SCENES
from tests.core.snapshots import mutated
from tests.core.streams import Profile
from tests.core.wanted import WANTED

PROGRESS_S = 10


def random_profile(seed: int) -> Profile:
    """A market as it may be: some of everything, or much of little."""
    draw = random.Random(seed)

    def share(most: int) -> int:
        return draw.choice((0, 1, 2, draw.randint(0, most), draw.randint(0, most)))

    scenes = tuple(draw.sample(list(SCENES), draw.randint(1, len(SCENES))))
    return Profile(
        name=f"soak {seed}", batches=draw.choice((10, 50, 200)), largest_batch=draw.choice((1, 5, 12, 60)),
        accounts=draw.choice((1, 2, 3, 5, 40, 400)), middle_ticks=draw.choice((3, 60, 1_000, 1_000, 10_000, 2**40)),
        drift=draw.choice((0, 0, 1, 3, 20)), spread_ticks=draw.choice((0, 1, 3, 6, 12, 60, 400)),
        largest_lots=draw.choice((1, 2, 8, 20, 500)), cancels=share(20), takers=share(20), stops=share(20), amends=share(20),
        cancel_alls=share(3), modes=share(6), ticks=share(3), hostile=share(10), sweeps=share(2), post_only=share(30),
        icebergs=share(80), ends=share(80), collars=share(40), jumps=share(30), narrow_room=share(30), wild_prices=share(10),
        ids=draw.choice(("random", "low", "high")), scenes=scenes,
        scene_share=draw.choice((0, 2, 10, 50)), first_scene=draw.choice(("", "", "auction")))


def check_snapshots(snapshot: bytes, seed: int, rounds: int = 20) -> int:
    """Changed snapshots of the book: both cores refuse them, or both restore exactly what stands there."""
    draw = random.Random(f"snapshots/{seed}")
    for number in range(rounds):
        damaged = mutated(snapshot, draw)
        verdicts = []
        for core in (Book, NaiveBook):
            try:
                verdicts.append(core.restore(damaged).snapshot())
            except DamagedSnapshot:
                verdicts.append(None)
        if verdicts[0] != verdicts[1] or verdicts[0] not in (None, damaged):
            raise Difference(f"seed {seed}, changed snapshot {number}: the C core "
                             f"{'refuses' if verdicts[0] is None else 'restores'}, the naive core "
                             f"{'refuses' if verdicts[1] is None else 'restores'}: {damaged.hex()}")
    return rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="the first round's seed; drawn and printed when it is missing")
    parser.add_argument("--rounds", type=int, default=None, help="at most so many rounds")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    print(f"soak: from seed {seed}", flush=True)
    began = told = time.monotonic()
    reached: Counter[str] = Counter()
    rounds = commands = batches = snapshots = 0
    while time.monotonic() - began < arguments.seconds and rounds != arguments.rounds:
        try:
            duel = Duel(random_profile(seed + rounds), seed + rounds, Book, NaiveBook)
            duel.run()
            snapshots += check_snapshots(duel.saved, seed + rounds)
        except Difference as difference:
            print(f"DIFFERENCE in seed {seed + rounds}: {difference}\n"
                  f"again: python -m tests.core.soak --seed {seed + rounds} --rounds 1", flush=True)
            return 1
        rounds, commands, batches = rounds + 1, commands + duel.commands, batches + duel.played
        reached.update(duel.reached)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            print(f"{told - began:7.0f} s: {rounds} rounds, {batches} batches, {commands} commands, "
                  f"{sum(reached[name] > 0 for name in WANTED)} of {len(WANTED)} states", flush=True)
    seconds = time.monotonic() - began
    missing = [name for name in WANTED if not reached[name]]
    print(f"soak: no difference in {commands} commands, {batches} batches, {rounds} rounds, {snapshots} changed snapshots, "
          f"{seconds:.0f} s ({commands * 3600 / max(seconds, 0.001):,.0f} commands/h); reached {len(WANTED) - len(missing)} of "
          f"{len(WANTED)} named states{'; not: ' + '; '.join(missing) if missing else ''}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
