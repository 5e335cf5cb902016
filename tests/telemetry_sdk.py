"""An OpenTelemetry SDK that collects what a test records."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from genai_grpc.telemetry import OpenTelemetry


class Sdk:
    """An OpenTelemetry SDK that exports to memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider(metric_readers=[self.reader])

    def __enter__(self) -> Sdk:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()

    def interceptor(self, **options: Any) -> OpenTelemetry:
        """An interceptor that records to this SDK."""
        return OpenTelemetry(self.tracer_provider, self.meter_provider, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in order."""
        return list(self.exporter.get_finished_spans())

    def attributes(self) -> dict[str, Any]:
        """The attributes of the only span."""
        [span] = self.spans
        return dict(span.attributes or {})

    def points(self, name: str) -> list[Any]:
        """The data points of a metric; none if it was not recorded."""
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else [scope for each in data.resource_metrics for scope in each.scope_metrics]
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]
