"""What the catalogue knows of product codes: learned from accepted products, asked before receipts are read."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.ingest.domain.quality import PRODUCT_ID, gtins_meant
from services.ingest.drafts import Draft, Rejected, Result, Settled
from services.ingest.mapping.standard import Codes, codes_asked
from services.ingest.store import codes as store
from services.ingest.store.codes import ProductCode
from shared.db import Database
from shared.events.products import ProductChangedV1

REMEMBERED_MAX = 100_000
FRESH_SECONDS = 30.0
_KNOWN = frozenset({"accepted", "repeat"})


@dataclass(slots=True)
class CodeBook:
    """Codes that were asked for lately. News of the catalogue are seen within `FRESH_SECONDS`."""

    database: Database
    _kept: OrderedDict[str, tuple[float, str | None]] = field(default_factory=OrderedDict)
    _knows_gtins: bool = False
    _looked_at: float = float("-inf")

    async def codes_for(self, items: Iterable[object]) -> Codes:
        """Return what the catalogue says of the codes in unread receipts; nothing where it has no GTINs at all."""
        asked = codes_asked(items) if await self._has_gtins() else set()
        if not asked:
            return {}
        now = time.monotonic()
        known = {code: kept[1] for code in asked if (kept := self._kept.get(code)) and kept[0] > now - FRESH_SECONDS}
        missing = asked - known.keys()
        if missing:
            found = await store.products_of(self.database, missing)
            known |= self._keep({code: found.get(code) for code in missing}, now)
        return known

    async def learn(self, inputs: Sequence[Draft | Rejected], results: Sequence[Result]) -> None:
        """Keep the codes of products that were accepted, now or before."""
        news = [
            code
            for one, result in zip(inputs, results, strict=True)
            if isinstance(one, Draft) and one.kind == "products" and result.status in _KNOWN
            for code in _codes_of(one)
        ]
        if not news:
            return
        async with self.database.transaction() as tx:
            await store.put_codes(tx, news)
        for code in news:
            self._kept.pop(code.code, None)
        self._looked_at = float("-inf")

    async def _has_gtins(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at > FRESH_SECONDS:
            self._knows_gtins = await store.knows_gtins(self.database)
            self._looked_at = now
        return self._knows_gtins

    def _keep(self, codes: dict[str, str | None], now: float) -> dict[str, str | None]:
        for code, product_id in codes.items():
            self._kept.pop(code, None)
            self._kept[code] = (now, product_id)
        while len(self._kept) > REMEMBERED_MAX:
            self._kept.popitem(last=False)
        return codes


def _codes_of(draft: Draft) -> Iterator[ProductCode]:
    """Yield a product's own id and its GTINs: those that it names, and its id where that is one."""
    assert draft.subject_id is not None
    (product,) = draft.says(Settled(draft.subject_id))
    assert isinstance(product, ProductChangedV1)
    as_of_at = draft.occurred_at
    yield ProductCode(f"id:{product.product_id}", product.product_id, as_of_at)
    own = (gtin for gtin, rule in gtins_meant(product.product_id) if rule is PRODUCT_ID)
    for gtin in {*own, *product.gtins}:
        yield ProductCode(f"gtin:{gtin}", product.product_id, as_of_at)
