"""The page and its endpoint as one application: which address is answered by what, and how errors are told."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Form, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from mkgc.app.provenance import installed_version
from mkgc.errors import one_line
from mkgc.images.decode import ImageError
from mkgc.reports.pages import render
from mkgc.searching.endpoint import answered, endpoint, number_in
from mkgc.searching.guard import Guard
from mkgc.searching.query import LONGEST, QueryError
from mkgc.searching.service import Service, jpeg
from mkgc.searching.words import WORDS, choose

STATUS = {"busy": 503, "nothing": 404, "large": 413}
"""HTTP's number for the code of a problem; 400 for others."""

CODES = {404: "nothing", 405: "nothing", 413: "large", 503: "busy"}
"""The code of a problem for HTTP's number of it."""


def create_app(service: Service, top_k: int, most_bytes: int, hosts: Collection[str]) -> FastAPI:
    """The application; bodies have at most so many bytes, ``hosts`` are the names it answers to, if there are any."""
    app = FastAPI(title="mkgc search", version=installed_version(), docs_url=None, redoc_url=None)
    app.include_router(endpoint(service, top_k))
    _add_page(app, service, top_k)
    app.add_exception_handler(QueryError, _refuse)
    app.add_exception_handler(ImageError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.state.service = service
    app.add_middleware(Guard, most=most_bytes, names=hosts)
    return app


def _add_page(app: FastAPI, service: Service, top_k: int) -> None:
    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(request: Request, q: Annotated[str, Query()] = "") -> HTMLResponse:
        hits = await service.by_text(q, top_k) if "q" in request.query_params else None
        return _page(request, found=hits and answered(service, hits).results, text=q)

    @app.post("/", response_class=HTMLResponse, include_in_schema=False)
    async def page_by_image(request: Request, image: Annotated[UploadFile, Form()]) -> HTMLResponse:
        content = await image.read()
        if not content and not image.filename:
            raise QueryError("upload_none", "no file was chosen")
        hits, pixels = await service.by_image(content, top_k)
        seen = base64.b64encode(jpeg(Image.fromarray(pixels.transpose(1, 2, 0)))).decode()
        return _page(request, found=answered(service, hits).results, seen=f"data:image/jpeg;base64,{seen}")

    @app.get("/images/{number}")
    async def image(number: int, small: bool = False) -> Response:
        """An image of the index as a JPEG, perhaps a small one."""
        content = await service.copy(number_in(service, number), small)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})


def _page(request: Request, status: int = 200, **shown: Any) -> HTMLResponse:
    language = choose(request.query_params.get("lang"), request.headers.get("accept-language", ""))
    service: Service = request.app.state.service
    values = {"found": None, "text": "", "seen": None, "problem": None} | shown
    count = f"{len(service.searcher.names):,}"
    of = {"count": count, "of_texts": service.searcher.texts is not None}
    page = render("search.html", language=language, words=WORDS[language], longest=LONGEST, **of, **values)
    return HTMLResponse(page, status, {"Vary": "Accept-Language"})


async def _refuse(request: Request, error: Exception) -> Response:
    """The line about what cannot be answered: as JSON, or on the page in its language."""
    status, code, reason = _told(error)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": one_line(reason)}, status)
    if request.url.path.startswith("/images/"):
        return Response(status_code=404)
    text = request.query_params.get("q", "")[:LONGEST]
    return _page(request, status, problem=code, text=text)


def _told(error: Exception) -> tuple[int, str, str]:
    """HTTP's number, the code and the reason of an error."""
    if isinstance(error, QueryError):
        return STATUS.get(error.code, 400), error.code, str(error)
    if isinstance(error, ImageError):
        return 400, f"image {error.kind}", f"the image cannot be used: {error.kind}" + _in_brackets(error.detail)
    if isinstance(error, RequestValidationError):
        return 422, "request", "; ".join(map(_misfit, error.errors()))
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "request")
    return error.status_code, code, WORDS["en"][code] if code in STATUS else error.detail


def _misfit(found: Mapping[str, Any]) -> str:
    """What is wrong with a part of a request, without what was sent."""
    return f"{'.'.join(str(part) for part in found['loc'][1:])}: {found['msg']}".removeprefix(": ")


def _in_brackets(detail: str) -> str:
    return f" ({detail})" if detail else ""
