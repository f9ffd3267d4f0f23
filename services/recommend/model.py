"""Owns a trained version as one value, and its files."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.products import Product
from services.recommend.generators.associations import Associations, no_associations
from services.recommend.generators.basket_items import Companions
from services.recommend.generators.item_vectors import ItemIndex, item_vectors
from services.recommend.generators.neighbours import Profiles, profiles_of
from services.recommend.generators.popular import WINDOWS_DAYS, Popularity
from services.recommend.generators.rhythm import LearnedRhythms, Rhythms
from services.recommend.generators.switches import names_of, switches_of
from services.recommend.generators.vector_index import index_of, to_bytes
from services.recommend.generators.vsknn import Sessions, no_sessions
from services.recommend.history import AnyArray
from services.recommend.knowledge import Knowledge, ProductHabits
from services.recommend.ranking import net
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.ranker import ranker_from_text
from services.recommend.ranking.rankers import Rankers, Ranking

UNTRAINED = "untrained"
_RANKERS = ("strict", "in_store")
_INDEX_FILE = "vectors.faiss"
SPARE_FILES = frozenset(f"nets-{name}.npz" for name in _RANKERS)
"""Files whose loss a version survives: without its nets the trees rank."""


@dataclass(frozen=True)
class Model:
    """Everything learned. Products keep the order of training; newer ones follow it in the assortment."""

    knowledge: Knowledge
    rankers: Rankers
    companions: Companions
    items: ItemIndex
    version: str = UNTRAINED
    rhythms: LearnedRhythms = field(default_factory=LearnedRhythms)
    sessions: Sessions = field(default_factory=no_sessions)
    associations: Associations = field(default_factory=no_associations)
    type_associations: Associations = field(default_factory=no_associations)
    type_names: Sequence[str] = ()
    """What the entries of the types' tables are called."""
    in_basket: BasketRanker = field(default_factory=BasketRanker)


def untrained(assortment: Assortment, popularity: Popularity | None = None) -> Model:
    """Return a model that has learned nothing: personal history, popularity and content still rank."""
    size = len(assortment)
    nobody = profiles_of([], size)
    nothing = np.zeros(size)
    quiet = Popularity(np.zeros((len(WINDOWS_DAYS), size)), _zeros(1), _zeros(0), np.empty(0), np.empty(0))
    knowledge = Knowledge(
        as_of=0.0,
        assortment=assortment,
        store_ids=(),
        rows={},
        tifu=nobody,
        upcf=nobody,
        sized=nobody,
        popularity=popularity or quiet,
        habits=ProductHabits(*(nothing,) * 6),
    )
    companions = Companions(_zeros(size + 1), _zeros(0), np.empty(0))
    return Model(knowledge, Rankers(), companions, ItemIndex.of(item_vectors(None, assortment)))


def with_catalogue(model: Model, known: Mapping[str, Product]) -> Model:
    """Return the model over the catalogue as it is now: training's products first, then new ones by id.

    New products have no vector from baskets; they get one from their attributes, so that `similar` finds them.
    """
    trained = model.items.vectors.shape[0]
    ids = model.knowledge.assortment.ids[:trained]
    fresh = sorted(set(known).difference(ids))
    assortment = assortment_of([*ids, *fresh], known)
    extra = item_vectors(None, assortment_of(fresh, known))
    items = model.items.grown(extra) if fresh else model.items
    return replace(model, knowledge=replace(model.knowledge, assortment=assortment), items=items)


def files_of(model: Model) -> dict[str, bytes]:
    """Return the version's files for the registry; the assortment's attributes are not part of a model."""
    knowledge = model.knowledge
    arrays: dict[str, AnyArray] = {}
    for name in ("tifu", "upcf", "sized", "popularity", "habits"):
        arrays |= _columns(name, getattr(knowledge, name))
    for name in ("companions", "sessions", "associations", "type_associations"):
        arrays |= _columns(name, getattr(model, name))
    for name, level in (("rhythms", model.rhythms.products), ("type_rhythms", model.rhythms.types)):
        arrays |= {} if level is None else _columns(name, level)
    arrays["vectors"] = model.items.vectors.astype(np.float32)
    index = to_bytes(model.items.index)
    ids = {
        "as_of": knowledge.as_of,
        "products": knowledge.assortment.ids,
        "stores": list(knowledge.store_ids),
        "customers": list(knowledge.rows),
        "types": list(model.type_names),
        "generators_off": names_of(knowledge.switches.off),
        "vector_index": None if index is None else asdict(index.measured),
    }
    found = {"arrays.npz": _npz(arrays), "ids.json": json.dumps(ids).encode()}
    if index is not None:
        found[_INDEX_FILE] = index.content
    for name in _RANKERS:
        found |= _ranking_files(name, getattr(model.rankers, name))
    if model.in_basket.ranker is not None:
        found[_trees_file("basket")] = model.in_basket.ranker.to_text().encode()
    return found


def model_of(files: Mapping[str, bytes], known: Mapping[str, Product], version: str) -> Model:
    """Read a version's files back, over the catalogue as it is now."""
    ids = json.loads(files["ids.json"])
    with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
        read = dict(arrays)
    knowledge = Knowledge(
        as_of=ids["as_of"],
        assortment=assortment_of(ids["products"], known),
        store_ids=ids["stores"],
        rows={name: row for row, name in enumerate(ids["customers"])},
        tifu=Profiles(**_part(read, "tifu")),
        upcf=Profiles(**_part(read, "upcf")),
        sized=Profiles(**_part(read, "sized")),
        popularity=Popularity(**_part(read, "popularity")),
        habits=_habits(_part(read, "habits")),
        switches=switches_of(ids.get("generators_off", ())),
    )
    rankers = Rankers(**{name: _ranking(files, name) for name in _RANKERS})
    of_basket = files.get(_trees_file("basket"))
    model = Model(
        knowledge,
        rankers,
        Companions(**_part(read, "companions")),
        ItemIndex(index_of(read["vectors"], files.get(_INDEX_FILE), ids.get("vector_index"))),
        version,
        in_basket=BasketRanker(ranker_from_text(of_basket.decode()) if of_basket else None),
        **_later_parts(read, ids),
    )
    return with_catalogue(model, known)


def _nets_file(name: str) -> str:
    return f"nets-{name}.npz"


def _trees_file(name: str) -> str:
    return f"ranker-{name}.txt"


def _ranking_files(name: str, ranking: Ranking | None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    if ranking is not None and ranking.trees is not None:
        found[_trees_file(name)] = ranking.trees.to_text().encode()
    if ranking is not None and ranking.nets is not None:
        found[_nets_file(name)] = net.to_bytes(ranking.nets)
    return found


def _ranking(files: Mapping[str, bytes], name: str) -> Ranking | None:
    trees, nets = files.get(_trees_file(name)), files.get(_nets_file(name))
    if trees is None and nets is None:
        return None
    return Ranking(net.nets_of(nets) if nets else None, ranker_from_text(trees.decode()) if trees else None)


def _habits(part: Mapping[str, AnyArray]) -> ProductHabits:
    """Read habits; those that a version did not have yet are zero, and its rankers have no column for them."""
    missing = np.zeros(part["buyers"].size)
    return ProductHabits(**{each.name: part.get(each.name, missing) for each in fields(ProductHabits)})


def _later_parts(read: Mapping[str, AnyArray], ids: Mapping[str, Any]) -> dict[str, Any]:
    """Return what versions did not always have; one without goes on with nothing in its place."""
    found: dict[str, Any] = {
        "rhythms": LearnedRhythms(_rhythms(read, "rhythms"), _rhythms(read, "type_rhythms")),
        "type_names": tuple(ids.get("types", ())),
    }
    for name, kind in (("sessions", Sessions), ("associations", Associations), ("type_associations", Associations)):
        part = _part(read, name)
        found |= {name: kind(**part)} if part else {}
    return found


def _columns(
    name: str, value: Profiles | Popularity | ProductHabits | Companions | Rhythms | Sessions | Associations
) -> dict[str, AnyArray]:
    return {f"{name}.{column.name}": getattr(value, column.name) for column in fields(value)}


def _rhythms(arrays: Mapping[str, AnyArray], name: str) -> Rhythms | None:
    """Return one level's rhythms; None in a version that could learn none."""
    part = _part(arrays, name)
    return Rhythms(**part) if part else None


def _part(arrays: Mapping[str, AnyArray], name: str) -> dict[str, AnyArray]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _npz(arrays: Mapping[str, AnyArray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _zeros(size: int) -> AnyArray:
    return np.zeros(size, np.int64)
