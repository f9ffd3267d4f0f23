"""`GET /docs`: the API as a page to read and try; its scripts come from this process, for closed networks."""

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from shared.http.auth import public

ASSETS = "/docs-assets"
# Used for its files alone: what it adds to an application would be routes that declare no scope.
_BUNDLE = ("fastapi_offline", "static")


def add_docs(app: FastAPI) -> None:
    """Serve the page and the scripts that it needs."""
    router = APIRouter(dependencies=[Depends(public("describes the routes; trying one needs a key"))])

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    app.mount(ASSETS, StaticFiles(packages=[_BUNDLE]), name="docs-assets")
    app.router.routes.extend(router.routes)
