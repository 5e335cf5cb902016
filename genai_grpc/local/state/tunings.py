"""Store of tuned models, and of the operations that create them."""

from __future__ import annotations

import heapq
import secrets
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from operator import mul
from typing import Any, Final, TypeVar

from genai_grpc import protos
from genai_grpc.errors import NotFound, PermissionDenied
from genai_grpc.local.state.access import grant_ownership
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.resource_table import ResourceTable
from genai_grpc_protos.longrunning import Operation
from genai_grpc_protos.rpc import Status

__all__ = ["LEASE_SECONDS", "OPERATIONS", "TUNED_MODELS", "Tuning", "TuningStore", "Vectors", "check_owner", "finish"]

Out = TypeVar("Out")
TUNED_MODELS: Final = ResourceTable(
    "tuned_models",
    protos.TunedModel,
    "tuned model",
    listing="genai.list_tuned_models()",
    columns=("owner TEXT NOT NULL", "examples BLOB NOT NULL", "vectors BLOB NOT NULL"),
)
OPERATIONS: Final = ResourceTable(
    "operations",
    Operation,
    "operation",
    listing="genai.list_operations()",
    columns=("owner TEXT NOT NULL", "done INTEGER NOT NULL", "leased_until INTEGER NOT NULL", "lease TEXT NOT NULL"),
)
LEASE_SECONDS: Final = 3.0
"""For which a tuning belongs to the server that works on it, which renews it meanwhile."""

_LEASE: Final = int(LEASE_SECONDS * 1_000_000)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of one length, as they are stored.

    Attributes:
        size: The length of each.
        values: Those of all, one after the other.
    """

    size: int
    values: array[float]

    def to_bytes(self) -> bytes:
        """The stored form."""
        return self.size.to_bytes(4, "little") + self.values.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Vectors:
        """The vectors of a stored form."""
        values = array("f")
        values.frombytes(data[4:])
        return cls(int.from_bytes(data[:4], "little"), values)

    def __getitem__(self, index: int) -> array[float]:
        """The vector at an index."""
        return self.values[index * self.size : (index + 1) * self.size]

    def similarities(self, vector: Sequence[float]) -> list[float]:
        """The dot product of each vector with this one, by numpy where it is installed.

        Without numpy, 10,000 vectors take 0.1 seconds and more: use a thread.
        """
        numpy = _numpy()
        if numpy is None or not self.values or len(vector) != self.size:
            factors = list(vector)  # an array would make its numbers anew for each product
            starts = range(0, len(self.values), self.size or 1)
            return [sum(map(mul, self.values[start : start + self.size], factors)) for start in starts]
        matrix = numpy.frombuffer(self.values, dtype=numpy.float32).reshape(-1, self.size)
        products: list[float] = (matrix @ numpy.asarray(vector, dtype=numpy.float32)).tolist()
        return products

    def nearest(self, vector: Sequence[float], count: int) -> list[int]:
        """The indices of the vectors most similar to this one, the most similar last; as long as `similarities`."""
        scores = self.similarities(vector)
        return heapq.nlargest(count, range(len(scores)), key=scores.__getitem__)[::-1]


@cache
def _numpy() -> Any:
    """The module numpy, which sentence models bring; None where it is not installed."""
    try:
        return import_module("numpy")
    except ImportError:
        return None


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning in progress.

    Attributes:
        operation: The name of its operation.
        lease: What the server has to know that works on it.
        model: The tuned model.
        examples: The training data.
    """

    operation: str
    lease: str
    model: protos.TunedModel
    examples: protos.TuningExamples


class TuningStore:
    """Tuned models and operations by name, each with the caller that created it.

    Args:
        database: An open database with both tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        model: protos.TunedModel,
        owner: str,
        email: str | None,
        examples: protos.TuningExamples,
        metadata: Any,
    ) -> Operation:
        """Store a tuned model and the operation that tunes it; raises AlreadyExists."""
        operation = Operation(name=f"{model.name}/operations/{secrets.token_hex(8)}")
        operation.metadata.Pack(metadata)

        def create(transaction: Transaction) -> Operation:
            model.create_time.FromMicroseconds(transaction.now)
            model.update_time.FromMicroseconds(transaction.now)
            TUNED_MODELS.insert(transaction, model, owner=owner, examples=examples.SerializeToString(), vectors=b"")
            OPERATIONS.insert(transaction, operation, owner=owner, done=0, leased_until=0, lease="")
            grant_ownership(transaction, model.name, email)
            return operation

        return await self._database.transact(create)

    async def has_unfinished(self) -> bool:
        """Whether there are operations that have not ended."""
        return await self._database.transact(
            lambda transaction: bool(transaction.page(OPERATIONS.table, "name", after=0, limit=1, done=0))
        )

    async def claim(self) -> tuple[Tuning | None, bool]:
        """The next tuning that no server works on, and whether there are any that others work on."""

        def claim(transaction: Transaction) -> tuple[Tuning | None, bool]:
            rows = transaction.page(OPERATIONS.table, "name", "leased_until", after=0, limit=-1, done=0)
            for _, name, leased_until in rows:
                if leased_until <= transaction.now:
                    lease = secrets.token_hex(8)
                    transaction.update(OPERATIONS.table, name, leased_until=transaction.now + _LEASE, lease=lease)
                    return _to_tuning(transaction, name, lease), True
            return None, bool(rows)

        return await self._database.transact(claim)

    async def renew(self, tuning: Tuning) -> bool:
        """Renew the lease of a tuning; False if it has ended, or another server works on it now."""

        def renew(transaction: Transaction) -> bool:
            if not _is_leased(transaction, tuning):
                return False
            transaction.update(OPERATIONS.table, tuning.operation, leased_until=transaction.now + _LEASE)
            return True

        return await self._database.transact(renew)

    async def update(self, tuning: Tuning, change: Callable[[Any, Any], None], vectors: Vectors | None = None) -> bool:
        """Change the metadata of an operation and its tuned model; False if it has ended, or is another server's.

        Args:
            tuning: The tuning.
            change: Changes the CreateTunedModelMetadata and the TunedModel.
            vectors: Those of the examples: the tuning is complete.
        """

        def update(transaction: Transaction) -> bool:
            if not _is_leased(transaction, tuning):
                return False
            operation = OPERATIONS.get(transaction, tuning.operation)
            try:
                model = TUNED_MODELS.get(transaction, tuning.model.name)
            except NotFound:
                return False
            metadata = protos.CreateTunedModelMetadata()
            operation.metadata.Unpack(metadata)
            change(metadata, model)
            model.update_time.FromMicroseconds(transaction.now)
            operation.metadata.Pack(metadata)
            stored: dict[str, Any] = {} if vectors is None else {"vectors": vectors.to_bytes()}
            TUNED_MODELS.replace(transaction, model, **stored)
            if vectors is not None:
                operation.done = True
                operation.response.Pack(model)
            OPERATIONS.replace(transaction, operation, done=int(operation.done), leased_until=transaction.now + _LEASE)
            return True

        return await self._database.transact(update)

    async def fail(self, tuning: Tuning, error: Status) -> None:
        """End an operation with an error, unless it is another server's."""

        def fail(transaction: Transaction) -> None:
            if _is_leased(transaction, tuning):
                finish(transaction, tuning.operation, error)

        await self._database.transact(fail)

    async def transact(self, work: Callable[[Transaction], Out]) -> Out:
        """Run a transaction."""
        return await self._database.transact(work)


def _is_leased(transaction: Transaction, tuning: Tuning) -> bool:
    """Whether a tuning has not ended, and no other server has taken it over."""
    found = transaction.find(OPERATIONS.table, tuning.operation, "done", "lease")
    return found == (0, tuning.lease)


def _to_tuning(transaction: Transaction, name: str, lease: str) -> Tuning:
    model_name = name.partition("/operations/")[0]
    model = TUNED_MODELS.get(transaction, model_name)
    (examples,) = TUNED_MODELS.columns(transaction, model_name, "examples")
    return Tuning(name, lease, model, TUNED_MODELS.parse(transaction, model_name, examples, protos.TuningExamples))


def finish(transaction: Transaction, name: str, error: Status) -> None:
    """End an operation with an error, if it has not ended; its tuned model is FAILED then."""
    operation = OPERATIONS.get(transaction, name)
    if operation.done:
        return
    operation.done = True
    operation.error.CopyFrom(error)
    OPERATIONS.replace(transaction, operation, done=1)
    model_name = name.partition("/operations/")[0]
    if transaction.find(TUNED_MODELS.table, model_name, "position") is not None:
        model = TUNED_MODELS.get(transaction, model_name)
        model.state = protos.TunedModel.State.FAILED
        TUNED_MODELS.replace(transaction, model)


def check_owner(transaction: Transaction, table: ResourceTable[Any], name: str, caller: str) -> None:
    """Raise PermissionDenied if a resource belongs to another caller, and NotFound if there is none."""
    (owner,) = table.columns(transaction, name, "owner")
    if owner != caller:
        raise PermissionDenied(f"{name} belongs to another API key")
