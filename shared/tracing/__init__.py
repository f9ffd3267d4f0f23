"""Spans for a collector, where the settings name one: requests served, calls to other services, batches applied."""

from shared.tracing.span import Kind, Span, begin, begin_to, end, flush, is_on, span

__all__ = ["Kind", "Span", "begin", "begin_to", "end", "flush", "is_on", "span"]
