"""Owns a trained version as one value, and its files."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.products import Product
from services.recommend.generators.basket_items import Companions
from services.recommend.generators.item_vectors import ItemIndex, item_vectors
from services.recommend.generators.neighbours import Profiles, profiles_of
from services.recommend.generators.popular import WINDOWS_DAYS, Popularity
from services.recommend.generators.rhythm import LearnedRhythms, Rhythms
from services.recommend.generators.switches import names_of, switches_of
from services.recommend.history import AnyArray
from services.recommend.knowledge import Knowledge, ProductHabits
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.ranker import ranker_from_text
from services.recommend.ranking.rankers import Rankers

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Model:
    """Everything learned. Products keep the order of training; newer ones follow it in the assortment."""

    knowledge: Knowledge
    rankers: Rankers
    companions: Companions
    items: ItemIndex
    version: str = UNTRAINED
    rhythms: LearnedRhythms = field(default_factory=LearnedRhythms)
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
        customer_ids=(),
        tifu=nobody,
        upcf=nobody,
        sized=nobody,
        popularity=popularity or quiet,
        habits=ProductHabits(nothing, nothing, nothing, nothing),
    )
    companions = Companions(_zeros(size + 1), _zeros(0), np.empty(0))
    return Model(knowledge, Rankers(), companions, ItemIndex(item_vectors(None, assortment)))


def with_catalogue(model: Model, known: Mapping[str, Product]) -> Model:
    """Return the model over the catalogue as it is now: training's products first, then new ones by id.

    New products have no vector from baskets; they get one from their attributes, so that `similar` finds them.
    """
    trained = model.items.vectors.shape[0]
    ids = model.knowledge.assortment.ids[:trained]
    fresh = sorted(set(known).difference(ids))
    assortment = assortment_of([*ids, *fresh], known)
    extra = item_vectors(None, assortment_of(fresh, known))
    items = ItemIndex(np.concatenate((model.items.vectors, extra))) if fresh else model.items
    return replace(model, knowledge=replace(model.knowledge, assortment=assortment), items=items)


def files_of(model: Model) -> dict[str, bytes]:
    """Return the version's files for the registry; the assortment's attributes are not part of a model."""
    knowledge = model.knowledge
    arrays: dict[str, AnyArray] = {}
    for name in ("tifu", "upcf", "sized", "popularity", "habits"):
        arrays |= _columns(name, getattr(knowledge, name))
    arrays |= _columns("companions", model.companions)
    for name, level in (("rhythms", model.rhythms.products), ("type_rhythms", model.rhythms.types)):
        arrays |= {} if level is None else _columns(name, level)
    arrays["vectors"] = model.items.vectors.astype(np.float32)
    ids = {
        "as_of": knowledge.as_of,
        "products": knowledge.assortment.ids,
        "stores": list(knowledge.store_ids),
        "customers": list(knowledge.customer_ids),
        "types": list(model.rhythms.type_names),
        "generators_off": names_of(knowledge.switches.off),
    }
    found = {"arrays.npz": _npz(arrays), "ids.json": json.dumps(ids).encode()}
    fitted = {"strict": model.rankers.strict, "in_store": model.rankers.in_store, "basket": model.in_basket.ranker}
    for name, ranker in fitted.items():
        if ranker is not None:
            found[f"ranker-{name}.txt"] = ranker.to_text().encode()
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
        customer_ids=ids["customers"],
        tifu=Profiles(**_part(read, "tifu")),
        upcf=Profiles(**_part(read, "upcf")),
        sized=Profiles(**_part(read, "sized")),
        popularity=Popularity(**_part(read, "popularity")),
        habits=ProductHabits(**_part(read, "habits")),
        switches=switches_of(ids.get("generators_off", ())),
    )
    texts = {name: files.get(f"ranker-{name}.txt") for name in ("strict", "in_store")}
    rankers = Rankers(**{name: ranker_from_text(text.decode()) for name, text in texts.items() if text})
    of_basket = files.get("ranker-basket.txt")
    model = Model(
        knowledge,
        rankers,
        Companions(**_part(read, "companions")),
        ItemIndex(read["vectors"]),
        version,
        LearnedRhythms(_rhythms(read, "rhythms"), _rhythms(read, "type_rhythms"), ids.get("types", ())),
        BasketRanker(ranker_from_text(of_basket.decode()) if of_basket else None),
    )
    return with_catalogue(model, known)


def _columns(name: str, value: Profiles | Popularity | ProductHabits | Companions | Rhythms) -> dict[str, AnyArray]:
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
