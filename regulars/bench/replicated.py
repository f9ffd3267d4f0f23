"""How recommend grows: more customers in memory, more products, more item vectors than Complete Journey has.

Households are copied with their times shifted and their products replaced by copies of these. Bytes a customer do not
depend on how many there are, so a part of a million tells what a million take.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import UUID

import faiss
import numpy as np

from regulars.bench.figures import Figure, Sense, Spread, Target
from regulars.bench.temporary import Say
from regulars.datasets import completejourney
from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import MILLIONTHS, Fact, net_baskets
from services.recommend.domain.products import Product
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.history import Matrix
from services.recommend.model import untrained
from services.recommend.serving.columns import Columns, columns_of
from services.recommend.serving.customers import Customers, Remembered
from services.recommend.serving.recommender import Recommender

SEED = 11
MILLION = 1_000_000
DAY_US = 86_400_000_000
DIMENSIONS = 64
NEAREST = 100
QUERIES = 200
CLUSTERS = 1_500
"""About as many as a grocer has types of products."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is really made: a customer's bytes are the same whatever their number."""

    households: int = 500
    customers: int = 100_000
    products: int = 200_000
    asked: int = 300

    def in_words(self) -> str:
        return (
            f"in one process, {self.customers:,} customers copied with jitter from {self.households} households, over"
            f" {self.products:,} products; {self.products:,} clustered vectors of {DIMENSIONS} dimensions"
        )


def figures(say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Return what memory, lists and nearest neighbours cost at these sizes."""
    sizes = sizes or Sizes()
    say(f"copying households to {sizes.customers:,} customers")
    kept = Customers(sizes.customers)
    originals = _originals(kept, sizes.households)
    before = _resident_bytes()
    for one in _copies(originals, kept, sizes):
        kept.put(one)
    a_customer = (_resident_bytes() - before) / sizes.customers
    say(f"asking for {sizes.asked} lists over {sizes.products:,} products")
    lists = _lists(kept, sizes)
    say(f"searching {sizes.products:,} vectors")
    return [
        Figure("memory a customer", a_customer, "bytes", note=_like(originals)),
        Figure(
            "memory of a million such customers", a_customer * MILLION / 1e9, "GB", note="by `SHARE`, split as wished"
        ),
        Figure(
            f"for-you over {sizes.products:,} products, untrained, p50", lists.p50_ms, "ms", note="processor time"
        ),
        Figure(f"for-you over {sizes.products:,} products, untrained, p99", lists.p99_ms, "ms"),
        *_searches(clustered(sizes.products)),
    ]


def _originals(kept: Customers, households: int) -> list[Columns]:
    lines = completejourney.load(households).lines.sort("at")
    found = []
    for part in lines.partition_by("customer_id", maintain_order=True):
        facts = [
            Fact(
                basket["basket_id"][0], basket["at"][0], basket["store_id"][0], _moved(basket["product_id"].to_list())
            )
            for basket in part.partition_by("basket_id", maintain_order=True)
        ]
        found.append(columns_of(net_baskets(facts), kept.names))
    return found


def _moved(product_ids: Sequence[str]) -> list[tuple[str, int]]:
    return [(product_id, MILLIONTHS) for product_id in dict.fromkeys(product_ids)]


def _copies(originals: Sequence[Columns], kept: Customers, sizes: Sizes) -> Iterator[Remembered]:
    """Yield copies: each shifted by up to a month, its products those of one of the catalogue's copies."""
    draw = np.random.default_rng(SEED)
    known = len(kept.names.products.words)
    for number in range(known, sizes.products):
        kept.names.products.number(f"copy-{number}")
    for number in range(sizes.customers):
        original = originals[number % len(originals)]
        shift = int(draw.integers(max((sizes.products - known) // known + 1, 1))) * known
        copied = replace(
            original,
            at_us=original.at_us + int(draw.integers(30 * DAY_US)),
            product=((original.product + shift) % sizes.products).astype(np.int32),
        )
        customer_id = UUID(int=Random(number).getrandbits(128))  # noqa: S311 - a repeatable draw, no secret
        last_us = int(copied.at_us.max(initial=0))
        yield Remembered(customer_id, (customer_id.int,), frozenset(), copied.to_bytes(), last_us, number + 1)


def _like(originals: Sequence[Columns]) -> str:
    baskets = np.mean([each.size.size for each in originals])
    products = np.mean([each.product.size for each in originals])
    return f"with {baskets:.0f} baskets and {products:.0f} products in them on average"


def _lists(kept: Customers, sizes: Sizes) -> Spread:
    """Rank for customers drawn at random; in processor time, which a busy machine does not lengthen."""
    words = kept.names.products.words
    known = {word: Product(word) for word in words}
    recommender = Recommender(untrained(assortment_of(words, known)))
    now = datetime(2018, 2, 15, tzinfo=UTC)
    ids = kept.ids()
    times_ms = []
    for place in np.random.default_rng(SEED).integers(len(ids), size=sizes.asked + 1).tolist():
        began = time.process_time()
        found = kept.find(ids[place])
        assert found is not None
        request = Request(Placement.FOR_YOU, Context(now), customer_id=str(found.customer_id))
        recommender.recommend(request, kept.past(found))
        times_ms.append((time.process_time() - began) * 1000)
    # The first one lays the catalogue out.
    return Spread.of(times_ms[1:])


def clustered(count: int) -> Matrix:
    """Return unit vectors around as many centres as there are types of products."""
    draw = np.random.default_rng(SEED)
    centres = draw.normal(size=(CLUSTERS, DIMENSIONS))
    vectors = centres[draw.integers(CLUSTERS, size=count)] + 0.6 * draw.normal(size=(count, DIMENSIONS))
    unit: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _searches(vectors: Matrix) -> list[Figure]:
    """Compare exact search with the two that are not, on vectors that are not in any index twice."""
    faiss.omp_set_num_threads(1)
    queries = vectors[np.random.default_rng(SEED).integers(len(vectors), size=QUERIES)]
    exact = faiss.IndexFlatIP(DIMENSIONS)
    clusters = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(DIMENSIONS), DIMENSIONS, 4 * int(len(vectors) ** 0.5), faiss.METRIC_INNER_PRODUCT
    )
    clusters.nprobe = 32
    graph = faiss.IndexHNSWFlat(DIMENSIONS, 16, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efSearch = 200
    truth: Matrix | None = None
    found = []
    for name, index in (("exact", exact), ("clusters", clusters), ("graph", graph)):
        began = time.process_time()
        index.train(vectors)
        index.add(vectors)
        built = time.process_time() - began
        began = time.process_time()
        _, nearest = index.search(queries, NEAREST)
        each_ms = (time.process_time() - began) * 1000 / QUERIES
        truth = nearest if truth is None else truth
        recall = np.mean([np.isin(one, other).mean() for one, other in zip(truth, nearest, strict=True)])
        note = f"built in {built:.0f} s of processor time"
        target = Target(Sense.AT_LEAST, 0.95) if index is not exact else None
        found += [
            Figure(f"nearest {NEAREST} of {len(vectors):,}, {name}: a search", each_ms, "ms", note=note),
            Figure(f"nearest {NEAREST} of {len(vectors):,}, {name}: recall", float(recall), "", target),
        ]
    return found


def _resident_bytes() -> int:
    """Return what this process holds in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096
