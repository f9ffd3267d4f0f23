"""What every HTTP API counts about itself; a service's own figures are in its `metrics.py`."""

from prometheus_client import Gauge, Histogram

# Boundaries of OpenTelemetry's HTTP conventions, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

REQUEST_SECONDS = Histogram(
    "http_server_request_duration_seconds",
    "Time from the first byte of a request's head to the last of its answer; route is the template.",
    ("service", "method", "route", "status"),
    buckets=_BUCKETS,
)
ACTIVE_REQUESTS = Gauge("http_server_active_requests", "Requests being answered now.", ("service",))
