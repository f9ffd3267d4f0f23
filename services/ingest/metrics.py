"""What ingest measures of itself."""

from prometheus_client import Counter, Gauge, Histogram

INGEST_ITEMS = Counter(
    "ingest_items_total",
    "Items received, by what became of them: accepted, repeat, conflict, refused.",
    ["kind", "source_kind", "status"],
)
INGEST_REFUSALS = Counter("ingest_refusals_total", "Items refused, by reason.", ["code"])
INGEST_IGNORED_IDENTIFIERS = Counter(
    "ingest_ignored_identifiers_total", "Identifiers left out because they name nobody."
)
INGEST_EPOCHS_OPENED = Counter(
    "ingest_epochs_opened_total", "Terminals that started counting again in the middle of a day."
)
INGEST_LINKS = Counter("ingest_links_total", "Subjects by what linking did to them.", ["outcome"])
INGEST_ACCEPT_SECONDS = Histogram(
    "ingest_accept_seconds",
    "Time from a parsed request to its commit.",
    ["kind"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
INGEST_ERASURES = Counter("ingest_erasures_total", "Erasures executed, by who asked.", ["requested_by"])
INGEST_ERASURES_OPEN = Gauge("ingest_erasures_open", "Erasures executed that not every service has confirmed.")
