"""Owns the memory of an API process: the model in use over the shelf as it is now, replaced whole on a change.

A request reads `now` once and works on that; nothing it holds is ever changed. What cannot be read leaves the last
state in place: a list from a minute ago is better than none.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from services.recommend import metrics
from services.recommend.assortment import assortment_of
from services.recommend.domain.promotions import PricePeriod
from services.recommend.gate import model_faults
from services.recommend.generators.popular import STORE_HALF_LIFE_DAYS, WINDOWS_DAYS
from services.recommend.generators.promotions import Promotions
from services.recommend.generators.segments import segment_sales_of
from services.recommend.generators.vector_index import VectorIndex
from services.recommend.model import Model, untrained, with_catalogue
from services.recommend.registry import load_model
from services.recommend.serving.ahead import work_out
from services.recommend.serving.catalogue import Listed, Price, listed_of, with_unlisted
from services.recommend.serving.given import GivenLists
from services.recommend.serving.goods import Goods
from services.recommend.serving.popularity_now import popularity_now
from services.recommend.serving.recommender import Recommender
from services.recommend.store import segments, shelf
from services.recommend.store.shelf import StoreSales
from shared import garbage
from shared.clock import Clock
from shared.db import Database, Row
from shared.errors import TransientError
from shared.registry import Registry

log = structlog.get_logger()

READ_SECONDS = 30.0
EMPTY_SHELF_SECONDS = 1.0
PROMOTIONS_AHEAD = timedelta(days=1)
"""Prices that begin before the shelf is read again are known in time; a database that is away may take longer."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of the database, as it came; `products` is None where no description changed."""

    signature: tuple[int, int]
    products: Sequence[Row] | None
    prices: Sequence[Row]
    out_of_stock: Mapping[str, AbstractSet[str]]
    chain: Mapping[str, Sequence[int]]
    stores: Sequence[StoreSales]
    promoted: Sequence[PricePeriod] = ()
    closed_stores: frozenset[str] = frozenset()
    segments: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Products as described, prices and stock now, sales of the last weeks."""

    signature: tuple[int, int] = (0, 0)
    listed: Mapping[str, Listed] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    out_of_stock: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    chain: Mapping[str, Sequence[int]] = field(default_factory=dict)
    stores: Sequence[StoreSales] = ()
    promotions: Promotions = field(default_factory=Promotions)
    closed_stores: frozenset[str] = frozenset()
    segments: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def after(self, rows: Rows) -> "Shelf":
        """Return the shelf as it is now; unchanged products and prices stay the same objects."""
        described = rows.products
        listed = self.listed if described is None else {row["product_id"]: listed_of(dict(row)) for row in described}
        prices = {row["product_id"]: Price(row["currency"], row["price_minor"]) for row in rows.prices}
        unchanged = self.prices if prices == self.prices else prices
        promotions = Promotions(rows.promoted)
        return Shelf(
            rows.signature,
            listed,
            unchanged,
            rows.out_of_stock,
            rows.chain,
            rows.stores,
            promotions,
            rows.closed_stores,
            rows.segments,
        )

    def has_products_of(self, other: "Shelf") -> bool:
        """Say whether both show the same products at the same prices; a product not described shows by being sold."""
        same = self.listed is other.listed and self.prices is other.prices
        return same and self.chain.keys() - other.chain.keys() <= self.listed.keys()

    def shows_what(self, other: "Shelf") -> bool:
        """Say whether lists from both are the same: nothing was sold meanwhile either, nor came or went."""
        return (
            self.has_products_of(other)
            and self.out_of_stock == other.out_of_stock
            and self.chain == other.chain
            and self.segments == other.segments
            and self.promotions.periods == other.promotions.periods
            # Their weights fade all alike.
            and [(each.store_id, each.product_ids) for each in self.stores]
            == [(each.store_id, each.product_ids) for each in other.stores]
        )


@dataclass(frozen=True, slots=True)
class Present:
    """What requests are answered from, and what they were answered from it."""

    recommender: Recommender
    listed: Mapping[str, Listed]
    as_of: datetime | None = None
    given: GivenLists = field(default_factory=GivenLists)
    closed_stores: frozenset[str] = frozenset()


class Live:
    """Keeps `now` fresh: `load` once, then `refresh` and `check_model` every so often."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        """Serve an empty shelf until `load` is done."""
        self._database = database
        self._registry = registry
        self._clock = clock
        self._shelf = Shelf()
        self._base: Model | None = None
        self._building = asyncio.Lock()
        self._other_bases: dict[str, Model] = {}
        self.others: Mapping[str, Present] = {}
        self.now = Present(Recommender(untrained(assortment_of((), {}))), {})

    async def load(self) -> None:
        """Read model and shelf once; what is away or damaged is logged and left for later."""
        await self.check_model()
        await self.refresh()

    async def refresh(self) -> None:
        """Read the shelf anew and lay the model over it."""
        started = time.perf_counter()
        at = self._clock.now()
        try:
            async with asyncio.timeout(READ_SECONDS):
                read = await self._read(at)
        except (TransientError, TimeoutError) as away:
            log.warning("shelf.away", reason=str(away))
            return
        async with self._building:
            shelf_now = await garbage.beside(self._shelf.after, read)
            await self._build(self._base, shelf_now, at)
        metrics.REFRESH_SECONDS.observe(time.perf_counter() - started)
        metrics.REFRESHED_AT.set(at.timestamp())

    async def stock_up(self) -> None:
        """Read the shelf anew if nothing is on it: the first products of a new shop are not kept waiting."""
        if not self._shelf.listed and not self._shelf.chain:
            await self.refresh()

    async def check_model(self) -> None:
        """Take up the promoted model if it is another one than that in use; a damaged one changes nothing."""
        async with self._building:
            try:
                version = await asyncio.to_thread(self._registry.current)
                if version is None or (self._base is not None and self._base.version == version):
                    return
                base = await garbage.built(_read_model, self._registry, version)
            except Exception:
                # Whatever is wrong with a version, of the many libraries that read it: the last good one goes on.
                metrics.MODEL_SWAPS.labels("failed").inc()
                log.exception("model.unreadable")
                return
            await self._build(base, self._shelf, self.now.as_of)
            metrics.MODEL_SWAPS.labels("swapped").inc()
            log.info("model.in_use", version=version, vectors=base.items.index.in_words())

    async def serve_also(self, versions: AbstractSet[str]) -> None:
        """Hold these trained versions too, beside the one in use; one that cannot be read is left out and logged."""
        async with self._building:
            wanted = versions - {self.now.recommender.model_version}
            bases = {name: base for name, base in self._other_bases.items() if name in wanted}
            for version in sorted(wanted - bases.keys()):
                try:
                    bases[version] = await garbage.built(_read_model, self._registry, version)
                except Exception:
                    # Whatever is wrong with a version, of the many libraries that read it: others go on.
                    metrics.MODEL_SWAPS.labels("failed").inc()
                    log.exception("model.unreadable", version=version)
            if bases.keys() != self._other_bases.keys():
                self._other_bases = bases
                await self._lay_others()

    def version(self, name: str | None) -> Present | None:
        """Return what answers from a version, by default the one in use; None where it is not held."""
        if name is None or name == self.now.recommender.model_version:
            return self.now
        return self.others.get(name)

    @property
    def goods(self) -> list[Goods]:
        """Return the goods that lists are made of: first those in use, then those of the other versions held."""
        return [present.recommender.goods for present in (self.now, *self.others.values())]

    async def _lay_others(self) -> None:
        """Lay the other versions over the shelf, and let go of those that are no longer held."""
        at = self.now.as_of
        self.others = {
            name: await garbage.built(_present, base, self._shelf, at, None)
            for name, base in self._other_bases.items()
        }

    async def _read(self, at: datetime) -> Rows:
        async with self._database.session() as session:
            signature = await shelf.catalogue_signature(session)
            is_same = signature == self._shelf.signature
            return Rows(
                signature,
                None if is_same else await shelf.products(session),
                await shelf.prices_at(session, at),
                await shelf.out_of_stock(session),
                await shelf.chain_sales(session, at, WINDOWS_DAYS),
                await shelf.store_sales(session, at, STORE_HALF_LIFE_DAYS),
                await shelf.promoted_prices(session, at, at + PROMOTIONS_AHEAD),
                await shelf.closed_stores(session),
                await segments.sales(session),
            )

    async def _build(self, base: Model | None, read: Shelf, at: datetime | None) -> None:
        """Build in a thread, then replace all at once."""
        same_products = base is self._base and read.has_products_of(self._shelf)
        before = self.now if same_products and self.now.as_of is not None else None
        if before is not None and read.shows_what(self._shelf):
            self.now, self._shelf = replace(before, as_of=at, closed_stores=read.closed_stores), read
            return
        # They would go with what is replaced; until then, garbage would be looked for among them.
        self.now.given.forget()
        self.now = await garbage.built(_present, base, read, at, before)
        metrics.say_in_use(self.now.recommender.model_version)
        # What was laid over the shelf serves the next time: the bare version need not be kept beside it.
        self._base, self._shelf = (None if base is None else self.now.recommender.model), read
        _tell_vectors(self.now.recommender.model.items.index)
        if self._other_bases:
            await self._lay_others()


def _tell_vectors(index: VectorIndex) -> None:
    found = index.measured
    how = "exact" if found is None else found.kind
    metrics.VECTORS.clear()
    metrics.VECTORS.labels(how).set(len(index.vectors) - index.beside)
    metrics.VECTORS.labels("beside").set(index.beside)
    metrics.VECTORS_RECALL.set(1.0 if found is None else found.recall)


def _read_model(registry: Registry, version: str) -> Model:
    """Read a version and try its rankers: one that cannot rank here must not come into use. Raises ValueError too."""
    model = load_model(registry, {}, version)
    faults = list(model_faults(model))
    if faults:
        raise ValueError("; ".join(faults))
    return model


def _present(base: Model | None, read: Shelf, at: datetime | None, before: Present | None) -> Present:
    """Lay the model over the shelf; where no product changed, the assortment of `before` is kept."""
    if before is not None:
        listed, model, goods = before.listed, before.recommender.model, before.recommender.goods
    else:
        listed = _priced(with_unlisted(read.listed, read.chain), read.prices)
        known = {name: each.product for name, each in listed.items()}
        model = untrained(assortment_of(sorted(known), known)) if base is None else with_catalogue(base, known)
        goods = Goods(model.knowledge.assortment)
    sales = segment_sales_of(read.segments, model.knowledge.assortment.index)
    recommender = Recommender(_with_sales(model, read), read.out_of_stock, read.promotions, sales, goods)
    work_out(recommender)
    return Present(recommender, listed, at, closed_stores=read.closed_stores)


def _priced(listed: Mapping[str, Listed], prices: Mapping[str, Price]) -> dict[str, Listed]:
    return {name: each.priced(prices[name]) if name in prices else each for name, each in listed.items()}


def _with_sales(model: Model, read: Shelf) -> Model:
    """Replace what was popular at training by what is now; new stores come after those of training."""
    if not read.chain:
        return model
    knowledge = model.knowledge
    known = set(knowledge.store_ids)
    store_ids = [*knowledge.store_ids, *(each.store_id for each in read.stores if each.store_id not in known)]
    store_index = {name: number for number, name in enumerate(store_ids)}
    now = popularity_now(read.chain, read.stores, knowledge.assortment.index, store_index)
    return replace(model, knowledge=replace(knowledge, store_ids=store_ids, popularity=now))
