"""The JSON endpoint; ``/openapi.json`` is its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Query, UploadFile
from pydantic import BaseModel, Field

from mkgc.searching.query import LONGEST, QueryError
from mkgc.searching.searcher import Hit
from mkgc.searching.service import Service

MOST = 1000
"""Images that an answer may hold."""

Text = Annotated[str, Field(max_length=LONGEST, description="what is looked for")]
TopK = Annotated[int | None, Field(ge=1, le=MOST, description="images that are wanted; null: as the server was told")]


class Question(BaseModel):
    """A text that is looked for."""

    text: Text
    top_k: TopK = None


class Word(BaseModel):
    """A word of a text that is like an image."""

    word: str
    score: float = Field(description="cosine similarity, between -1 and 1")


class Found(BaseModel):
    """An image that was found, or a text."""

    rank: int = Field(description="1 for the best")
    score: float = Field(description="cosine similarity, between -1 and 1")
    image: str = Field(description="its name below the folder of images, or that of a text")
    url: str = Field(description="where a JPEG of it is served; of a text: empty")
    missing: bool = Field(description="whether it has gone since it was indexed")
    text: str | None = Field(None, description="of an index of texts, the text")
    words: list[Word] = Field([], description="the words that a text and an image have matched by, the best first")


class Answer(BaseModel):
    """Images, the best first."""

    results: list[Found]


class Problem(BaseModel):
    """Why there is no answer."""

    error: str


class State(BaseModel):
    """What is searched."""

    images: int
    digest: str = Field(description="of the model whose vectors are compared")


def endpoint(service: Service, top_k: int) -> APIRouter:
    """Its routes."""
    refused: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (400, 404, 413, 422, 503)}
    router = APIRouter(prefix="/api", responses=refused)

    @router.post("/search")
    async def search(question: Question) -> Answer:
        """The images nearest to a text."""
        return answered(service, await service.by_text(question.text, question.top_k or top_k))

    @router.get("/search")
    async def search_by_address(text: Annotated[Text, Query()], top_k: Annotated[TopK, Query()] = top_k) -> Answer:
        """The same, asked by an address alone."""
        return await search(Question(text=text, top_k=top_k))

    @router.post("/search/image")
    async def search_by_image(
        image: Annotated[UploadFile, File(description="an image file")], top_k: Annotated[TopK, Query()] = top_k
    ) -> Answer:
        """The images nearest to an image."""
        hits, _ = await service.by_image(await image.read(), top_k or MOST)
        return answered(service, hits)

    @router.get("/index")
    async def index() -> State:
        """How many images are searched, and by which model."""
        return State(images=len(service.searcher.names), digest=service.searcher.encoder.digest)

    return router


def answered(service: Service, hits: Sequence[Hit]) -> Answer:
    """Found images in the form of the endpoint."""
    return Answer(results=[_found(service, rank, hit) for rank, hit in enumerate(hits, start=1)])


def _found(service: Service, rank: int, hit: Hit) -> Found:
    searcher = service.searcher
    text = None if searcher.texts is None else searcher.texts[hit.number]
    missing = text is None and not searcher.path(hit.number).is_file()
    name, url = printed(hit.name), f"/images/{hit.number}" if text is None else ""
    words = [Word(word=one.word, score=round(one.score, 6)) for one in hit.words]
    return Found(rank=rank, score=round(hit.score, 6), image=name, url=url, missing=missing, text=text, words=words)


def printed(name: str) -> str:
    """A file's name as text: what of it is no UTF-8 is escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def number_in(service: Service, number: int) -> int:
    """A number of an image that there is.

    Raises:
        QueryError: There is none.
    """
    if service.searcher.texts is not None or not 0 <= number < len(service.searcher.names):
        raise QueryError("nothing", "there is no such image")
    return number
