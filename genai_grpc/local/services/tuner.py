"""Tuning of the local server: it learns the examples by heart, and trains no weights.

The tuned model gets, before a prompt, those examples whose inputs are nearest to it, as turns of a conversation. The
loss of a step is measured: for each example of its batch, 1 - the cosine similarity of its output and of the output of
the nearest of the examples that were learned before, the latest 100. From the second pass on, that is the example
itself, and the loss is 0.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import APIError
from genai_grpc.local.engines.vectors import normalized, word_vector
from genai_grpc.local.services.errors import LOG
from genai_grpc.local.services.learned_examples import LearnedExamples, Pair
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.state.tunings import LEASE_SECONDS, Tuning, TuningStore
from genai_grpc_protos.rpc import Status

__all__ = ["NOTE", "Tuner", "embed_text", "steps_of"]

NOTE: Final = "Tuned by the local server, which learns the examples by heart and trains no weights."
"""The description of a tuned model that has none of its own, and the metadata of its operations."""

EPOCHS: Final = 5
BATCH_SIZE: Final = 4
_WORDS: Final = 256
"""The length of the vectors of a server that has no model to embed."""

_POLL_SECONDS: Final = 1.0
"""How often a server looks for tunings that another one has begun and not ended."""

_SNAPSHOTS: Final = 500


class Tuner:
    """Works on the tunings of a store, one after the other, in the background.

    Args:
        store: The store.
        registry: The engines, one of which embeds; without one, texts are compared by their words.
    """

    def __init__(self, store: TuningStore, registry: ModelRegistry) -> None:
        self._store = store
        self._registry = registry
        self._task: asyncio.Task[None] | None = None
        self._is_awaited = False

    async def start(self) -> None:
        """Go on with the tunings that were left unfinished."""
        if await self._store.has_unfinished():
            self.wake()

    def wake(self) -> None:
        """Look for a new tuning. There is a task only while there are unfinished ones."""
        self._is_awaited = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Stop; another start begins an unfinished tuning anew."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._is_awaited:
            self._is_awaited = False
            tuning, others = await self._store.claim()
            if tuning is not None:
                self._is_awaited = True
                await self._tune_or_fail(tuning)
            elif others:
                self._is_awaited = True
                await asyncio.sleep(_POLL_SECONDS)

    async def _tune_or_fail(self, tuning: Tuning) -> None:
        try:
            await self._tune_with_lease(tuning)
        except APIError as error:
            await self._store.fail(tuning, Status(code=error.number, message=error.message))
        except Exception as error:
            LOG.error("the tuning %s failed", tuning.operation, exc_info=error)
            message = f"the tuning failed with {type(error).__name__}; the server's log has the traceback"
            await self._store.fail(tuning, Status(code=13, message=message))

    async def _tune_with_lease(self, tuning: Tuning) -> None:
        """Work on a tuning until it ends or its lease is lost: it was cancelled or deleted, or is another server's."""
        tasks = [asyncio.ensure_future(self._tune(tuning)), asyncio.ensure_future(self._renew(tuning))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, tuning: Tuning) -> None:
        """Renew the lease until it is lost, also during a step that takes longer than a lease."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            if not await self._store.renew(tuning):
                return

    async def _tune(self, tuning: Tuning) -> None:
        examples = tuning.examples.examples
        epochs, batch_size, total = steps_of(tuning.model, len(examples))
        learned = LearnedExamples()
        step = 0
        for epoch in range(1, epochs + 1):
            for start in range(0, len(examples), batch_size):
                loss = 0.0
                if epoch == 1:
                    loss = await self._learn(examples[start : start + batch_size], learned)
                step += 1
                snapshot = protos.TuningSnapshot(step=step, epoch=epoch, mean_loss=loss)
                vectors = learned.inputs if step == total else None
                if not await self._store.update(tuning, _Progress(snapshot, total), vectors):
                    return  # cancelled or deleted

    async def _learn(self, batch: Sequence[protos.TuningExample], learned: LearnedExamples) -> float:
        """Embed a batch, add it to the examples that are learned, and return its mean loss."""
        pairs: list[Pair] = []
        for example in batch:
            given = array("f", await embed_text(self._registry, example.text_input, is_document=True))
            wanted = array("f", await embed_text(self._registry, example.output, is_document=True))
            pairs.append((given, wanted))
            await asyncio.sleep(0)  # an engine that does not wait leaves no time for calls, and a batch may be large
        return await asyncio.to_thread(learned.learn, pairs)


class _Progress:
    """The change that a step makes to the metadata of its operation and to the tuned model."""

    def __init__(self, snapshot: protos.TuningSnapshot, total: int) -> None:
        self._snapshot, self._total = snapshot, total

    def __call__(self, metadata: Any, model: Any) -> None:
        snapshot, task, total = self._snapshot, model.tuning_task, self._total
        snapshot.compute_time.GetCurrentTime()
        if snapshot.step == 1:
            del metadata.snapshots[:], task.snapshots[:]
            task.start_time.CopyFrom(snapshot.compute_time)
        metadata.total_steps, metadata.completed_steps = total, snapshot.step
        metadata.completed_percent = 100.0 * snapshot.step / total
        # A long tuning has a snapshot every few steps.
        if snapshot.step % math.ceil(total / _SNAPSHOTS) == 0 or snapshot.step == total:
            metadata.snapshots.append(snapshot)
            task.snapshots.append(snapshot)
        if snapshot.step == total:
            task.complete_time.CopyFrom(snapshot.compute_time)
            model.state = protos.TunedModel.State.ACTIVE


def steps_of(model: protos.TunedModel, examples: int) -> tuple[int, int, int]:
    """The passes over the examples, the size of a batch, and the number of steps."""
    settings = model.tuning_task.hyperparameters
    epochs = settings.epoch_count if settings.HasField("epoch_count") else EPOCHS
    batch_size = settings.batch_size if settings.HasField("batch_size") else BATCH_SIZE
    return epochs, batch_size, epochs * math.ceil(examples / batch_size)


async def embed_text(registry: ModelRegistry, text: str, *, is_document: bool) -> list[float]:
    """The vector of a text, of length 1."""
    engine = registry.embedder
    if engine is None:
        return await asyncio.to_thread(word_vector, text, _WORDS)  # a text may have megabytes
    task = protos.TaskType.RETRIEVAL_DOCUMENT if is_document else protos.TaskType.RETRIEVAL_QUERY
    request = protos.EmbedContentRequest(
        model=engine.model.name, content=protos.Content(parts=[protos.Part(text=text or " ")]), task_type=task
    )
    [vector] = await engine.embed([request])
    return normalized(list(vector))
