"""Long-running operations: the tuning of a model, and what other services take minutes for.

>>> import genai_grpc as genai
>>> operation = genai.create_tuned_model("gemini-pro", [("1", "2"), ("2", "3")], id="next-number")
>>> operation.result(timeout=60).name
'tunedModels/next-number'
>>> [each["step"] for each in genai.get_operation(operation.name).snapshots()]
[1, 2, 3, 4, 5]
>>> genai.delete_tuned_model("next-number")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from genai_grpc import protos, types
from genai_grpc._coerce.settings import to_options
from genai_grpc._long_running import Operation
from genai_grpc._progress import import_tqdm
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation as Steps
from genai_grpc._rpc.operation import Sleep, Yield
from genai_grpc._rpc.pager import list_pages
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._models import TunedModel
from genai_grpc_protos.longrunning import DeleteOperationRequest, GetOperationRequest

__all__ = [
    "CreateTunedModelOperation",
    "Operation",
    "delete_operation",
    "delete_operation_async",
    "get_operation",
    "get_operation_async",
    "list_operations",
    "list_operations_async",
]

_BAR_SECONDS: Final = 0.5
"""Between two updates of a progress bar."""


class CreateTunedModelOperation(Operation[TunedModel]):
    """The tuning of a model; its result is a `types.TunedModel`.

    >>> import genai_grpc as genai
    >>> operation = genai.create_tuned_model("gemini-pro", [("1", "2")], id="next", epoch_count=2)
    >>> for metadata in operation.wait_bar(disable=True):
    ...     pass
    >>> operation.metadata.completed_percent, operation.result().state.name
    (100.0, 'ACTIVE')
    >>> genai.delete_tuned_model("next")
    """

    def wait_bar(self, **kwargs: Any) -> Iterator[protos.CreateTunedModelMetadata]:
        """Show a progress bar until the end, and yield the metadata at every update.

        Args:
            kwargs: Those of `tqdm.auto.tqdm`.

        Raises:
            ImportError: tqdm is not installed.
            APIError: A call failed, or the tuning did.
        """
        return sync_transport(self._owner()).iterate(self._watch(kwargs))

    def wait_bar_async(self, **kwargs: Any) -> AsyncIterator[protos.CreateTunedModelMetadata]:
        """The async twin of `wait_bar`; read it with `async for`."""
        return async_transport(self._owner()).iterate(self._watch(kwargs))

    def snapshots(self) -> list[dict[str, Any]]:
        """The loss after each step so far, as the metadata has it: `step`, `epoch`, `mean_loss` and `compute_time`.

        `pandas.DataFrame(operation.snapshots())` makes a table of it.
        """
        return [
            {
                "step": each.step,
                "epoch": each.epoch,
                "mean_loss": each.mean_loss,
                "compute_time": to_datetime(each.compute_time),
            }
            for each in self.metadata.snapshots
        ]

    def plot(self, axes: Any = None) -> Any:
        """Plot the mean loss over the steps with matplotlib.

        Args:
            axes: Axes to plot on; new ones by default.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed.

        >>> operation = get_operation("tunedModels/mine/operations/1")  # doctest: +SKIP
        >>> operation.plot().figure.savefig("loss.png")  # doctest: +SKIP
        """
        if axes is None:
            try:
                from matplotlib import pyplot  # optional
            except ImportError as error:
                raise ImportError(
                    "a plot needs matplotlib; pip install 'genai-grpc[tuning]'", name="matplotlib"
                ) from error
            axes = pyplot.subplots()[1]
        snapshots = self.metadata.snapshots
        axes.plot([each.step for each in snapshots], [each.mean_loss for each in snapshots])
        axes.set_xlabel("step")
        axes.set_ylabel("mean loss")
        axes.set_title(self.metadata.tuned_model)
        return axes

    def _watch(self, arguments: dict[str, Any]) -> Steps[None]:
        with import_tqdm()(
            **{"total": self.metadata.total_steps, "desc": self.metadata.tuned_model, **arguments}
        ) as bar:
            while True:
                bar.total = self.metadata.total_steps
                bar.update(self.metadata.completed_steps - bar.n)
                yield Yield((self.metadata,))
                if self._proto.done:
                    break
                yield Sleep(_BAR_SECONDS)
                self._proto = yield self._get_call()
        if (error := self._error()) is not None:
            raise error

    def _parse(self, response: Any) -> TunedModel:
        return TunedModel.from_proto(response)


def get_operation(
    name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> CreateTunedModelOperation:
    """Get an operation by its name, such as one that an earlier run of the program began.

    Args:
        name: The resource name, `tunedModels/…/operations/…`.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such operation.
        APIError: The call failed otherwise.

    >>> operation = get_operation("tunedModels/mine/operations/1")  # doctest: +SKIP
    >>> operation.result()  # doctest: +SKIP
    """
    client = client or default_client()
    return sync_transport(client).call(_get_call(name, client, request_options))


async def get_operation_async(
    name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> CreateTunedModelOperation:
    """The async twin of `get_operation`."""
    client = client or default_client()
    return await async_transport(client).call(_get_call(name, client, request_options))


def list_operations(
    *,
    name: str = "",
    page_size: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Iterator[CreateTunedModelOperation]:
    """List the operations of the caller; a page is fetched when its operations are needed.

    Args:
        name: The resource name of a tuned model, for its operations only.
        page_size: Operations per page; None leaves it to the service.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is needed.

    >>> list(list_operations(name="tunedModels/none"))
    []
    """
    client = client or default_client()
    return sync_transport(client).iterate(_list(name, page_size, client, request_options))


def list_operations_async(
    *,
    name: str = "",
    page_size: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> AsyncIterator[CreateTunedModelOperation]:
    """The async twin of `list_operations`; read it with `async for`."""
    client = client or default_client()
    return async_transport(client).iterate(_list(name, page_size, client, request_options))


def delete_operation(
    name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> None:
    """Delete the record of an operation. Google's service does not: it raises MethodNotImplemented.

    Args:
        name: The resource name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such operation.
        APIError: The call failed otherwise.

    >>> delete_operation("tunedModels/none/operations/1")
    Traceback (most recent call last):
    genai_grpc.errors.NotFound: 404 there is no operation 'tunedModels/none/operations/1', ...
    """
    sync_transport(client or default_client()).call(_delete_call(name, request_options))


async def delete_operation_async(
    name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> None:
    """The async twin of `delete_operation`."""
    await async_transport(client or default_client()).call(_delete_call(name, request_options))


def _get_call(name: str, client: Client, request_options: Any) -> Call[Any, Any, CreateTunedModelOperation]:
    return Call(
        method("Operations.GetOperation"),
        GetOperationRequest(name=name),
        lambda reply: CreateTunedModelOperation(reply[0], client=client),
        to_options(request_options),
    )


def _delete_call(name: str, request_options: Any) -> Call[Any, Any, None]:
    request = DeleteOperationRequest(name=name)
    return Call(method("Operations.DeleteOperation"), request, lambda _: None, to_options(request_options))


def _list(name: str, page_size: int | None, client: Client, request_options: Any) -> Steps[None]:
    def operations_of(page: Any) -> Iterator[CreateTunedModelOperation]:
        return (CreateTunedModelOperation(each, client=client) for each in page.operations)

    options = to_options(request_options)
    return list_pages(method("Operations.ListOperations"), page_size, operations_of, options, name=name)
