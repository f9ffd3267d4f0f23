"""What ingest measures of itself."""

from prometheus_client import Counter, Gauge, Histogram

INGEST_ITEMS = Counter(
    "ingest_items_total",
    "Items received, by what became of them: accepted, repeat, conflict, refused, dropped.",
    ["kind", "source_kind", "status"],
)
INGEST_REFUSALS = Counter("ingest_refusals_total", "Items refused, by reason.", ["code"])
INGEST_IGNORED_IDENTIFIERS = Counter(
    "ingest_ignored_identifiers_total", "Identifiers left out because they name nobody."
)
INGEST_CORRECTIONS = Counter("ingest_corrections_total", "Fields corrected by rules of quality.", ["rule"])
INGEST_LIMITED = Counter("ingest_limited_total", "Events refused for now, since their source is at its limit.")
INGEST_EPOCHS_OPENED = Counter(
    "ingest_epochs_opened_total", "Terminals that started counting again in the middle of a day."
)
INGEST_IMPLAUSIBLE_CLOCKS = Gauge(
    "ingest_implausible_clocks", "Terminals whose clocks are off by half an hour or more."
)
INGEST_LINKS = Counter("ingest_links_total", "Subjects by what linking did to them.", ["outcome"])
INGEST_IMPORTED_ROWS = Counter("ingest_imported_rows_total", "Lines of imported files that were read.", ["kind"])
INGEST_ACCEPT_SECONDS = Histogram(
    "ingest_accept_seconds",
    "Time from a parsed request to its commit.",
    ["kind"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
INGEST_BESIDE_FAILURES = Counter(
    "ingest_beside_failures_total", "Faults in work beside accepting that ended nothing else.", ["work"]
)
INGEST_ERASURES = Counter("ingest_erasures_total", "Erasures executed, by who asked.", ["requested_by"])
INGEST_ERASURES_OPEN = Gauge("ingest_erasures_open", "Erasures executed that not every service has confirmed.")
