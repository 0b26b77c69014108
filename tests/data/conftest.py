import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ARCHIVES = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacks a public data set whose archive lies beside the checkout; without it the test is skipped."""
    folder = tmp_path_factory.mktemp("real")

    @cache
    def unpacked(name: str) -> Path:
        archive = ARCHIVES / f"{name}.tar.xz"
        if not archive.is_file():
            pytest.skip(f"../shared/data/{archive.name} is not there: public data are not part of the repository")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return folder / name

    return unpacked


@pytest.hookimpl(tryfirst=True)  # before the markers decide what is run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reading whole public data sets takes minutes under the checks of shapes: that is for the slow tier."""
    for item in items:
        if "real" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
