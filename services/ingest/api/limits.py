"""How much one request may bring."""

BODY_BYTES_MAX = 32_000_000
"""Of a body, as sent and also after inflating: one event that is far too large must not fail its whole batch."""

ITEMS_MAX = 500
CLIENT_ITEMS_MAX = 2500
"""Of a batch from an analytics client; what Segment takes."""

FILE_BYTES_MAX = 1_000_000_000
"""Of an imported file, which is streamed into sealed pieces and never held in memory."""
