"""Prints the order in which some tasks ran, for a seed given on the command line."""

import random
import sys

import anyio

from tests.simulation.seeding import run_simulation

TASKS = 6
STEPS = 5


async def interleave(rng: random.Random) -> str:
    """Let tasks race each other and the clock; return the order of their steps with times."""
    order: list[str] = []

    async def run(name: str) -> None:
        for _ in range(STEPS):
            order.append(f"{name}{anyio.current_time():.3f}")
            await anyio.sleep(rng.choice((0, 0, 0.5)))

    async with anyio.create_task_group() as tasks:
        for number in range(TASKS):
            tasks.start_soon(run, f"{chr(ord('a') + number)}@")
    return " ".join(order)


if __name__ == "__main__":
    sys.stdout.write(run_simulation(interleave, int(sys.argv[1])))
