"""The examples that a tuning has learned, as vectors, and the losses that it measures with them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final, TypeAlias

from genai_grpc.errors import InternalServerError
from genai_grpc.local.engines.vectors import dot
from genai_grpc.local.state.tunings import Vectors

__all__ = ["LearnedExamples", "Pair"]

Pair: TypeAlias = "tuple[array[float], array[float]]"
"""The vectors of an input and of its output, of length 1: arrays, which take an eighth of the memory of lists."""

COMPARED: Final = 100
"""Examples that one is compared with: with all of them, the time would grow with the square of their number."""


class LearnedExamples:
    """Vectors of inputs and outputs, as 32-bit numbers. `learn` takes time in proportion to the batch: use a thread."""

    def __init__(self) -> None:
        self._size = 0
        self._inputs = array("f")
        self._outputs = array("f")

    @property
    def inputs(self) -> Vectors:
        """The vectors of all inputs."""
        return Vectors(self._size, self._inputs)

    def learn(self, batch: Sequence[Pair]) -> float:
        """Add a batch, and return its mean loss.

        The loss of an example is 1 - the cosine similarity of its output and of the output of the example with the
        nearest input, among the latest 100 of earlier batches; 1 without any.

        Raises:
            InternalServerError: The vectors have different lengths, a defect of the engine.
        """
        self._size = self._size or len(batch[0][0])
        for vector in (vector for pair in batch for vector in pair):
            if len(vector) != self._size:
                raise InternalServerError(
                    f"the engine that embeds returned vectors of {self._size} and of {len(vector)} numbers; all need "
                    "one length"
                )
        inputs, outputs = self._latest(self._inputs), self._latest(self._outputs)
        loss = sum(_loss(inputs, outputs, *pair) for pair in batch) / len(batch)
        for given, wanted in batch:
            self._inputs.extend(given)
            self._outputs.extend(wanted)
        return loss

    def _latest(self, values: array[float]) -> Vectors:
        return Vectors(self._size, values[-COMPARED * self._size :])


def _loss(inputs: Vectors, outputs: Vectors, given: array[float], wanted: array[float]) -> float:
    nearest = inputs.nearest(given, 1)
    return max(0.0, 1.0 - dot(outputs[nearest[0]], wanted)) if nearest else 1.0
