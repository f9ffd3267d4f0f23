"""Owns working out ahead, beside the answers, what the first request would otherwise have to wait for."""

from functools import cached_property

from services.recommend.serving.standing import Standing


def work_out(standing: Standing) -> None:
    """Fill every column of what stands behind lists; call it where nobody waits, before the first list is asked."""
    model, knowledge = standing.model, standing.knowledge
    of_model = (model.companions, model.items, model.sessions, model.associations, model.type_associations)
    learned = (knowledge.tifu, knowledge.upcf, knowledge.sized, knowledge.popularity, *of_model)
    goods = standing.goods
    for each in (goods.assortment, goods, goods.substitutes, knowledge, *learned, standing.shelf, standing):
        _fill(each)


def _fill(value: object) -> None:
    for kind in type(value).__mro__:
        for name, attribute in vars(kind).items():
            if isinstance(attribute, cached_property):
                getattr(value, name)
