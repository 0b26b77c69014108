"""The page and its endpoint, asked over a socket: answers, languages, load, and what hostile requests get."""

import asyncio
import io
import re
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from mkgc.images.decode import KINDS
from mkgc.reports.pages import render
from mkgc.searching import guard
from mkgc.searching.endpoint import Found, printed
from mkgc.searching.words import CHINESE, ENGLISH, WORDS
from tests.conftest import said
from tests.searching.server import LIMIT, Server, shown


def png(colour: tuple[int, int, int], side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes whose header says that it has so many pixels a side."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 10_000)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_text_finds_images_on_the_page(served: Server) -> None:
    page = served.get("/", params={"q": "blue"})
    assert page.status_code == 200
    assert {*shown(page.text)[:2]} == {"inner/蓝200.png", "inner/蓝250.png"}
    assert len(shown(page.text)) == 4
    assert "similarity 0.9" in page.text
    address = re.findall(r'href="(/images/\d+)"', page.text)[0]
    for query in ("", "?small=true"):
        image = served.get(address + query)
        assert image.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(image.content)) as opened:
            assert opened.getpixel((2, 2))[2] > 150


def test_an_uploaded_image_finds_its_like(served: Server) -> None:
    page = served.post("/", files={"image": ("ask.png", png((0, 240, 10)))})
    assert page.status_code == 200
    assert {*shown(page.text)[:2]} == {"green-200.png", "green-250.png"}
    assert 'class="seen" src="data:image/jpeg;base64,' in page.text


@pytest.mark.parametrize(
    ("address", "accepted", "language", "title"),
    [
        ("/", "zh-CN,zh;q=0.9,en;q=0.8", "zh", "图像搜索"),
        ("/", "fr", "en", "Image search"),
        ("/?lang=zh", "en", "zh", "图像搜索"),
        ("/?lang=en&q=红", "zh", "en", "Found for “红”"),
        ("/?lang=zh&q=红", "en", "zh", "“红”的搜索结果"),
    ],
)
def test_the_page_speaks_chinese_and_english(
    served: Server, address: str, accepted: str, language: str, title: str
) -> None:
    page = served.get(address, headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in page
    assert title in page


def test_every_word_is_there_in_both_languages() -> None:
    assert ENGLISH.keys() == CHINESE.keys()
    assert {f"image {kind}" for kind in KINDS if kind != "missing"} <= ENGLISH.keys()


def test_the_endpoint_answers_in_json_by_its_schema(served: Server) -> None:
    answer = served.post("/api/search", json={"text": "红", "top_k": 2}).json()
    assert {one["image"] for one in answer["results"]} == {"red 200.png", "red 250.png"}
    assert [one["rank"] for one in answer["results"]] == [1, 2]
    assert served.get("/api/search", params={"text": "红", "top_k": 2}).json() == answer
    image = served.post("/api/search/image?top_k=1", files={"image": ("a", png((240, 0, 0)))}).json()
    assert image["results"][0]["image"].startswith("red")
    assert served.get(answer["results"][0]["url"]).status_code == 200
    assert served.get("/api/index").json() == {"images": 6, "digest": "c0105"}
    schema = served.get("/openapi.json").json()
    assert {"/api/search", "/api/search/image", "/api/index"} <= schema["paths"].keys()
    found = schema["components"]["schemas"]["Found"]["properties"]
    assert answer["results"][0].keys() == found.keys()


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        ({"json": {"text": ""}}, 400, "the text is empty: give some words to search for"),
        ({"json": {"text": "\u3000\u200b"}}, 400, "the text is empty: give some words to search for"),
        ({"json": {"text": "x" * 20_000}}, 422, "text: String should have at most 10000 characters"),
        ({"json": {"text": "x" * 1_000_000}}, 413, "The file is too large."),
        ({"json": {"text": 7}}, 422, "text: Input should be a valid string"),
        ({"json": {}}, 422, "text: Field required"),
        ({"json": {"text": "a", "top_k": 0}}, 422, "top_k: Input should be greater than or equal to 1"),
        ({"json": {"text": "a", "top_k": 10**9}}, 422, "top_k: Input should be less than or equal to 1000"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "1: JSON decode error"),
        ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, 422, "JSON decode error"),
        ({"content": b"text=a"}, 422, ""),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    served: Server, sent: dict[str, Any], status: int, reason: str
) -> None:
    answer = served.post("/api/search", **sent)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert len(answer.text) < 500


def test_a_text_of_mixed_scripts_and_half_signs_is_searched_for(served: Server) -> None:
    half = served.post("/api/search", content=rb'{"text": "red \ud800 \u202e \u0000 \u05d0"}')
    assert half.status_code in (200, 422)
    assert served.get("/", params={"q": "red 红 🟥 \u202eאדום\u0000"}).status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 400, "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 400, "not an image"),
        (b"GIF89a\xff\xff\xff\xff<script>", 400, ""),
        (png((1, 2, 3), 64)[:-30], 400, ""),
        (png((1, 2, 3), 1), 400, "tiny"),
        (bomb(60_000), 400, "huge"),
        (bomb(2**31 - 1), 400, "huge"),
        (b"\0" * (LIMIT + 1), 413, "The file is too large."),
        (b"\0" * (20 * LIMIT), 413, "The file is too large."),
    ],
    ids=["empty", "svg", "eps", "gif", "cut", "tiny", "bomb", "larger bomb", "large", "far too large"],
)
def test_hostile_uploads_are_refused(served: Server, content: bytes, status: int, reason: str) -> None:
    files = {"image": ("../../etc/passwd\r\nX: y.png", content, "image/png")}
    try:
        answer = served.post("/api/search/image", files=files)
    except httpx.WriteError:  # of what is far too large, no more is read
        assert len(content) > 8 * LIMIT
    else:
        assert answer.status_code == status
        assert reason in answer.json()["error"]
        page = served.post("/?lang=zh", files=files)
        assert page.status_code == status
        assert 'role="alert"' in page.text
    assert served.get("/api/index").status_code == 200


def test_a_picture_whose_text_unpacks_to_seventy_megabytes_is_refused(served: Server) -> None:
    text = zlib.compress(b"\0" * 70_000_000)
    picture = png((1, 2, 3))
    hostile = picture[:33] + chunk(b"zTXt", b"a\0\0" + text) + picture[33:]
    answer = served.post("/api/search/image", files={"image": ("a.png", hostile)})
    assert (answer.status_code, "truncated" in answer.text) == (400, True)


def test_a_crowd_of_uploads_is_told_to_wait_while_texts_are_answered(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "UPLOADS", 0)
    answer = served.post("/api/search/image", files={"image": ("a.png", png((1, 2, 3)))})
    assert (answer.status_code, answer.json()) == (503, {"error": "Too many questions at once: ask again in a moment."})
    assert served.get("/api/search", params={"text": "red"}).status_code == 200


def test_an_address_of_two_hundred_thousand_signs_is_refused(served: Server) -> None:
    with socket.create_connection(("127.0.0.1", served.base_url.port)) as connection:
        connection.sendall(b"GET /?q=" + b"x" * 100_000)
        assert connection.recv(20).startswith(b"HTTP/1.1 400")
    assert served.get("/api/index").status_code == 200


def test_a_form_without_a_file_and_with_many_is_refused(served: Server) -> None:
    empty = served.post("/", files={"image": ("", b"")})
    assert empty.status_code in (400, 422)
    assert 'role="alert"' in empty.text
    many = served.post("/api/search/image", files=[("x", ("a", b"1")) for _ in range(1100)])
    assert many.status_code in (400, 413, 422)
    assert served.post("/api/search/image", data={"image": "text"}).status_code == 422


def test_what_is_typed_and_what_files_are_called_is_escaped(served: Server) -> None:
    page = served.get("/", params={"q": "<script>alert('red')</script>\"><b>"})
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(&#39;red&#39;)&lt;/script&gt;&#34;&gt;&lt;b&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def test_names_of_files_are_escaped() -> None:
    names = ('"><img src=x onerror=alert(1)>\u202e.png', "\udcff.png")
    found = [Found(rank=1, score=0.5, image=printed(name), url="/images/0", missing=False) for name in names]
    values = {"text": "", "seen": None, "problem": None, "count": 1, "longest": 9, "found": found}
    page = render("search.html", language="en", words=WORDS["en"], of_texts=False, **values)
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "\\udcff.png" in page


def test_no_address_leads_out_of_the_index(served: Server) -> None:
    for address in (
        "/images/6",
        "/images/-1",
        "/images/99999999999999999999",
        "/images/..%2f..%2fetc%2fpasswd",
        "/images/a",
    ):
        assert served.get(address).status_code == 404
    assert served.get("/static/../../etc/passwd").status_code == 404
    assert served.get("/docs").status_code == 404
    assert served.delete("/").status_code == 405
    text = served.get("/api/search", params={"text": "red"}).text
    assert str(Path.cwd()) not in text


def test_other_names_of_the_host_are_refused(served: Server) -> None:
    assert served.get("/", headers={"Host": "evil.example:80"}).status_code == 400
    assert served.get("/", headers={"Host": "[::1"}).status_code == 400
    assert served.get("/", headers={"Host": "127.0.0.1:1234"}).status_code == 200


def test_an_image_removed_after_indexing_leaves_its_place_empty(served: Server) -> None:
    (served.folder / "green-200.png").unlink()
    (served.folder / "green-250.png").write_text("<script>")
    answer = served.get("/api/search", params={"text": "green", "top_k": 2}).json()
    assert {one["image"]: one["missing"] for one in answer["results"]} == {
        "green-200.png": True,
        "green-250.png": False,
    }
    assert [served.get(one["url"]).status_code for one in answer["results"]] == [404, 404]
    assert "This image is no longer there." in served.get("/", params={"q": "green"}).text


@pytest.mark.slow
def test_two_hundred_questions_at_once_are_answered_together(served: Server) -> None:
    served.encoder.batches.clear()

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=served.base_url, limits=limits, timeout=60, trust_env=False) as client:
            names = ["red", "green", "蓝"]
            asked = (client.get("/api/search", params={"text": names[i % 3], "top_k": 1}) for i in range(200))
            return list(await asyncio.gather(*asked))

    answers = asyncio.run(ask_all())
    assert [answer.status_code for answer in answers] == [200] * 200
    for i, answer in enumerate(answers):
        assert answer.json()["results"][0]["image"].startswith(("red", "green", "inner/蓝")[i % 3])
    assert sum(served.encoder.batches) == 200
    assert max(served.encoder.batches) <= 32


def test_a_bug_in_the_model_is_an_answer_and_the_next_question_too(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(served.encoder, "embed_texts", lambda texts: 1 / 0)
        once = {"Connection": "close"}
        assert served.get("/api/search", params={"text": "red"}, headers=once).status_code == 500
    assert served.get("/api/search", params={"text": "red"}).status_code == 200


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["port=99999"], "port=99999"),
        (["host=no.such.host.invalid"], "cannot be listened at"),
        (["upload_mb=0"], "upload_mb=0"),
        (["index=nowhere"], "there is no index here"),
        (["top_k=none"], "top_k"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    run: Callable[..., tuple[int, str, str]], indexed: Path, words: list[str], line: str
) -> None:
    code, _, err = run("serve", "index=found", "port=0", *words)
    assert code == 2
    assert line in said(err)


def test_a_port_that_is_taken_is_one_line(run: Callable[..., tuple[int, str, str]], indexed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("serve", "index=found", f"port={taken.getsockname()[1]}")
    assert code == 2
    assert "Address already in use" in said(err)
