"""The store of tunings: each belongs to one server at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from genai_grpc import protos
from genai_grpc.local.state.database import Database
from genai_grpc.local.state.tables import TABLES
from genai_grpc.local.state.tunings import LEASE_SECONDS, Tuning, TuningStore, Vectors
from genai_grpc_protos.rpc import Status
from tests.clock import ManualClock

EXAMPLES = protos.TuningExamples(examples=[{"text_input": "one", "output": "1"}])


@asynccontextmanager
async def opened(folder: Path, clock: Any) -> AsyncIterator[TuningStore]:
    """A store in a folder, as one server has it."""
    database = Database(folder, clock=clock)
    await database.open(*TABLES)
    try:
        yield TuningStore(database)
    finally:
        await database.aclose()


async def create(store: TuningStore) -> None:
    model = protos.TunedModel(name="tunedModels/mine", state=protos.TunedModel.State.CREATING)
    await store.create(model, "", None, EXAMPLES, protos.CreateTunedModelMetadata(tuned_model=model.name))


def step(metadata: Any, model: Any) -> None:
    """One step of a tuning."""
    metadata.completed_steps += 1
    model.display_name = "changed"


async def claimed(store: TuningStore) -> Tuning:
    tuning, _ = await store.claim()
    assert tuning is not None
    return tuning


def test_one_server(tmp_path: Path) -> None:
    """A tuning that a server works on is not another server's, as long as its lease is renewed."""
    clock = ManualClock()

    async def main() -> None:
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as another:
            await create(one)
            tuning = await claimed(one)
            for _ in range(3):
                clock.time += LEASE_SECONDS * 0.9
                assert await one.renew(tuning)
                assert await another.claim() == (None, True)

    asyncio.run(main())


def test_lost_lease(tmp_path: Path) -> None:
    """A server that lost its lease to another one changes nothing: no progress, no result, no failure."""
    clock = ManualClock()

    async def main() -> None:
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as another:
            await create(one)
            lost = await claimed(one)
            clock.time += LEASE_SECONDS
            tuning = await claimed(another)
            assert not await one.renew(lost)
            assert not await one.update(lost, step)
            await one.fail(lost, Status(code=13, message="failed"))
            assert await another.update(tuning, step)
            assert await another.update(tuning, step, Vectors.from_bytes(b"\x01\0\0\0"))
            assert not await another.renew(tuning)
            assert await one.claim() == (None, False)

    asyncio.run(main())


def test_expired_lease(tmp_path: Path) -> None:
    """A lease that expired, and was not taken, is still the server's."""
    clock = ManualClock()

    async def main() -> None:
        async with opened(tmp_path, clock) as store:
            await create(store)
            tuning = await claimed(store)
            clock.time += LEASE_SECONDS * 10
            assert await store.update(tuning, step)

    asyncio.run(main())
