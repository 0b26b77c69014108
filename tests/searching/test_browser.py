"""The page in a real browser, without a window: what a person does, and what a hostile name could do."""

import shutil
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Dialog, Locator, Page, sync_playwright

from mkgc.searching.index import ImageIndex
from mkgc.searching.searcher import Searcher
from tests.searching.conftest import Colours, paint, write_found, write_images
from tests.searching.server import Server, serving

pytestmark = pytest.mark.slow

HOSTILE = '"><img src=x onerror=alert(1)>.png'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, colours = write_images(tmp_path_factory.mktemp("browsed")), Colours()
    paint(folder / HOSTILE, (255, 0, 0))
    with serving(Searcher(ImageIndex(write_found(folder, colours)), colours, folder)) as one:
        yield one


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    """A page on which every error of a script or of its policy, and every dialogue, fails the test."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed")
    said: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        one = browser.new_page(base_url=server.address, locale="zh-CN")
        one.on("console", lambda message: said.append(message.text))
        one.on("pageerror", lambda error: said.append(str(error)))
        one.on("dialog", dismissed)
        yield one
        browser.close()
    assert [line for line in said if not line.startswith("Failed to load resource")] == []


def loaded(page: Page) -> list[str]:
    """The names of found images whose pixels are there."""
    page.wait_for_load_state("networkidle")
    shown = "all => all.filter(one => one.naturalWidth).map(one => one.alt)"
    names: list[str] = page.locator(".found img").evaluate_all(shown)
    return names


def search(page: Page, text: str) -> None:
    """Types a text and waits for the page of what it finds."""
    page.get_by_role("searchbox").fill(text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def click(page: Page, what: Locator) -> None:
    """Clicks and waits for the next page."""
    with page.expect_navigation():
        what.click()


def test_a_person_searches_in_chinese_goes_on_in_english_and_uploads_an_image(page: Page, server: Server) -> None:
    page.goto("/")
    assert page.title() == "图像搜索"
    page.get_by_role("searchbox").fill("蓝色的正方形")
    click(page, page.get_by_role("button", name="搜索").first)
    assert page.get_by_role("heading", level=2).inner_text() == "“蓝色的正方形”的搜索结果"
    assert {*loaded(page)[:2]} == {"inner/蓝200.png", "inner/蓝250.png"}
    click(page, page.get_by_role("link", name="English"))
    assert page.get_by_role("heading", level=2).inner_text() == "Found for “蓝色的正方形”"
    assert page.get_by_role("searchbox").input_value() == "蓝色的正方形"
    search(page, "green")
    assert {*loaded(page)[:2]} == {"green-200.png", "green-250.png"}
    asked = server.folder.parent / "ask.png"
    Image.new("RGB", (300, 200), (200, 10, 10)).save(asked)
    page.get_by_label("or search by an image").set_input_files(asked)
    click(page, page.get_by_role("button", name="Search").last)
    assert page.get_by_role("heading", level=2).inner_text() == "Found for your image"
    assert all("red" in name or name == HOSTILE for name in loaded(page)[:3])
    click(page, page.locator(".found a").first)
    assert page.evaluate("document.contentType") == "image/jpeg"


def test_what_is_typed_and_names_of_files_run_nothing(page: Page) -> None:
    page.goto("/?lang=en")
    page.get_by_role("searchbox").fill('red <script>alert(1)</script>"><img src=x onerror=alert(2)>')
    page.keyboard.press("Enter")
    assert HOSTILE in loaded(page)
    assert page.locator("script").count() == 0
    assert page.locator("img[src=x]").count() == 0


def test_an_upload_that_is_no_image_is_told_in_the_persons_language(page: Page, server: Server) -> None:
    asked = server.folder.parent / "text.png"
    asked.write_text("no image")
    page.goto("/")
    page.get_by_label("或用一张图片搜索").set_input_files(asked)
    with page.expect_response("**/?lang=zh") as response:
        page.get_by_role("button", name="搜索").last.click()
    assert response.value.status == 400
    assert "该文件不是图片" in page.get_by_role("alert").inner_text()
