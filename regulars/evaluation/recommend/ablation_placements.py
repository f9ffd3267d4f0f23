"""Owns what generators bring to lists that need no trained ranker: asked of the code that serves, by nobody known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import figures
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Figures, Section, columns, section
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.paid_prices import moment
from services.recommend.domain.requests import Answer, Context, Placement, Request, Source
from services.recommend.generators.item_vectors import BASKET_DIMENSIONS, ItemIndex
from services.recommend.generators.switches import EVERYTHING, Generator
from services.recommend.history import Ints, Matrix
from services.recommend.model import Model
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.rankers import Rankers
from services.recommend.serving.recommender import Recommender
from services.recommend.training.fitting import assembled, baskets_before
from services.recommend.training.in_basket import Hidden, fit_in_basket, hidden_products, world_at
from services.recommend.training.origins import HORIZON_DAYS, origin_at

LIST_LENGTH = 20
TOP = 10
PER_CUSTOMER = 5
RARE_BASKETS = 10
LEAST_QUESTIONS = 30
SEED = 11
_SHOWN = ("hit@10", "mrr@20")
_COMMON = {Source.STORE_POPULAR, Source.POPULAR, Source.ASSORTMENT}


@dataclass(frozen=True, slots=True)
class Question:
    """What lies open, in which store, when; and what was bought besides, by whom."""

    items: tuple[str, ...]
    store_id: str | None
    at: float
    wanted: Ints
    customer: int


def placements(data: Evaluated, cut: float, count: int, progress: Progress) -> list[Section]:
    """Return the sections of sessions, of products bought together and of similar ones, of the weeks after `cut`."""
    progress("placements: learning what serves")
    model = served_model(data, cut)
    return [
        section(title, dict(_rows(model, changes, placement, questions, progress, title)), _owners(questions))
        for title, placement, questions, changes in _asked(data, model, cut, count)
        if len(questions) >= LEAST_QUESTIONS
    ]


def served_model(data: Evaluated, cut: float) -> Model:
    """Return what would serve at `cut`, but for the rankers of known customers."""
    world = world_at(data.dataset, data.assortment, cut)
    judged = fit_in_basket(world_at(data.dataset, data.assortment, cut - HORIZON_DAYS))
    return assembled(data.dataset, world.knowledge, Rankers(), judged.kept if judged else None)


Changes = Mapping[str, Model]
Asking = tuple[str, Placement, Sequence[Question], Changes]


def _asked(data: Evaluated, model: Model, cut: float, count: int) -> Iterator[Asking]:
    everything = np.ones(len(data.dataset.product_ids), np.bool_)
    hidden = hidden_products(data.dataset, cut, everything, count)
    of_sessions = {
        **_without(model, Generator.BASKET_ITEMS, Generator.SESSIONS),
        "without a ranker": replace(model, in_basket=BasketRanker()),
    }
    for opened in (1, 3):
        title = f"nobody known, {opened} open"
        questions = _sessions(data, hidden, opened)
        yield f"basket: {title}", Placement.BASKET, questions, of_sessions
        yield f"for-you: {title}", Placement.FOR_YOU, questions, of_sessions
    together = _without(model, Generator.BASKET_ITEMS, Generator.ASSOCIATIONS, Generator.ITEM_VECTORS)
    rare, common = _by_rarity(data, cut, _pages(data, hidden))
    yield "bought-together: of one product", Placement.BOUGHT_TOGETHER, common, together
    yield "bought-together: of a rare one", Placement.BOUGHT_TOGETHER, rare, together
    rare, common = _by_rarity(data, cut, _alternatives(data, cut))
    vectors = {**_without(model, Generator.ITEM_VECTORS), **_parts_of_vectors(model)}
    yield "similar: another of its category", Placement.SIMILAR, common, vectors
    yield "similar: to a rare one", Placement.SIMILAR, rare, vectors


def _without(model: Model, *generators: Generator) -> Changes:
    return {f"without {each.value}": _switched(model, each) for each in generators}


def _switched(model: Model, generator: Generator) -> Model:
    return replace(model, knowledge=replace(model.knowledge, switches=EVERYTHING.without(generator)))


def _parts_of_vectors(model: Model) -> Changes:
    """Return the model with vectors of the catalogue's words alone, and of baskets alone."""
    words, baskets = model.items.vectors.copy(), model.items.vectors.copy()
    words[:, :BASKET_DIMENSIONS] = 0
    baskets[:, BASKET_DIMENSIONS:] = 0
    return {
        "vectors without baskets": replace(model, items=ItemIndex.of(_unit(words))),
        "vectors without content": replace(model, items=ItemIndex.of(_unit(baskets))),
    }


def _unit(vectors: Matrix) -> Matrix:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def _rows(  # noqa: PLR0913, PLR0917 - the parts of one section
    model: Model,
    changes: Changes,
    placement: Placement,
    questions: Sequence[Question],
    progress: Progress,
    title: str,
) -> Iterator[tuple[str, Figures]]:
    for name, each in {AS_SERVED: model, **changes}.items():
        progress(f"{title}: {name}")
        yield name, _figures(Recommender(each), placement, questions)


def _figures(recommender: Recommender, placement: Placement, questions: Sequence[Question]) -> Figures:
    index, nobody = recommender.assortment.index, np.empty(0, np.int64)
    rows, filled = [], []
    for question in questions:
        answer = _answer(recommender, placement, question)
        products = np.array([index[item.product_id] for item in answer.items], np.int64)
        rows.append(figures(products, question.wanted, nobody))
        filled.append(float(all(item.source not in _COMMON for item in answer.items[:TOP])))
    return {**columns(np.array(rows), _SHOWN), "filled": np.array(filled)}


def _answer(recommender: Recommender, placement: Placement, question: Question) -> Answer:
    context = Context(moment(question.at), question.items, question.store_id)
    return recommender.recommend(Request(placement, context, limit=LIST_LENGTH))


def _sessions(data: Evaluated, hidden: Sequence[Hidden], opened: int) -> list[Question]:
    """Open so many drawn products of each basket; the hidden one is wanted."""
    draw = np.random.default_rng(SEED)
    return [
        _question(data, each, draw.permutation(each.shown)[-opened:], np.array([each.product])) for each in hidden
    ]


def _pages(data: Evaluated, hidden: Sequence[Hidden]) -> list[Question]:
    """Open one product of each basket; whatever else is in it is wanted."""
    return [_question(data, each, np.array([each.product]), each.shown) for each in hidden]


def _question(data: Evaluated, hidden: Hidden, opened: Ints, wanted: Ints) -> Question:
    store = int(data.dataset.store[hidden.target.basket])
    ids = data.dataset.product_ids
    return Question(
        tuple(ids[product] for product in opened.tolist()),
        data.dataset.store_ids[store] if store >= 0 else None,
        hidden.target.now,
        wanted,
        hidden.target.customer,
    )


def _alternatives(data: Evaluated, cut: float) -> list[Question]:
    """Open products of each customer's last basket; others of their category, bought in four weeks, are wanted."""
    draw = np.random.default_rng(SEED)
    found = []
    for target in origin_at(data.dataset, cut).targets:
        bought = _bought(data, target.customer, cut)
        for product in draw.permutation(data.dataset.basket(target.basket - 1))[:PER_CUSTOMER].tolist():
            wanted = _others_of_category(data, product, bought)
            if wanted.size:
                name = data.dataset.product_ids[product]
                found.append(Question((name,), None, cut, wanted, target.customer))
    return found


def _bought(data: Evaluated, customer: int, cut: float) -> Ints:
    dataset = data.dataset
    first = int(dataset.basket_starts[customer])
    since, until = (first + dataset.basket_count_before(customer, at) for at in (cut, cut + HORIZON_DAYS))
    return np.unique(dataset.product[dataset.line_starts[since] : dataset.line_starts[until]])


def _others_of_category(data: Evaluated, product: int, bought: Ints) -> Ints:
    categories = data.assortment.level("category")
    is_other = (categories[bought] == categories[product]) & (categories[bought] >= 0) & (bought != product)
    others: Ints = bought[is_other]
    return others


def _by_rarity(data: Evaluated, cut: float, questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    """Return the questions about products in fewer than RARE_BASKETS baskets before `cut`, and the others."""
    counts = np.asarray(baskets_before(data.dataset, cut).sum(axis=0)).ravel()
    index = data.assortment.index
    rare = [question for question in questions if counts[index[question.items[0]]] < RARE_BASKETS]
    return rare, [question for question in questions if counts[index[question.items[0]]] >= RARE_BASKETS]


def _owners(questions: Sequence[Question]) -> Ints:
    return np.array([question.customer for question in questions], np.int64)
