import fastapi
import starlette
