"""The routes of the recommend service: parse, call, map."""

from services.recommend.api import experiments, gorse, lists, models, placements, quality, reporting, rules

ROUTERS = (
    lists.router,
    placements.router,
    reporting.router,
    models.router,
    rules.router,
    experiments.router,
    quality.router,
    gorse.router,
)
direct_routes = lists.direct_routes
