"""``python -m tests.sim --seed N``: run one seed and tell its story; or many."""

from __future__ import annotations

import argparse
import sys
import time

from tests.sim.world import World

SECONDS = 200


def run(seed: int, seconds: int = SECONDS) -> World:
    """Live through one seed; AssertionError with the story where a promise broke."""
    world = World(seed)
    try:
        world.run(seconds)
    except AssertionError as error:
        story = "\n".join(world.story[-25:])
        raise AssertionError(f"seed {seed}: {error}\n{world.faults}\n{story}") from error
    return world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed and tell its story")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 200), metavar=("FROM", "TO"))
    parser.add_argument("--seconds", type=int, default=SECONDS, help="simulated seconds of faults")
    given = parser.parse_args()
    if given.seed is not None:
        world = run(given.seed, given.seconds)
        print("\n".join(world.story))
        print(f"seed {given.seed}: all promises kept")
        return 0
    began = time.monotonic()
    for seed in range(*given.seeds):
        run(seed, given.seconds)
    print(f"seeds {given.seeds[0]} to {given.seeds[1]}: all promises kept, {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
