"""The page over a searcher, listening at a free port of this machine while it is asked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from threading import Thread

import httpx
import uvicorn

from mkgc.searching.app import create_app
from mkgc.searching.searcher import Searcher
from mkgc.searching.service import Service

LIMIT = 100_000
"""Bytes of a body that it takes."""


class Server(httpx.Client):
    """A client of the server, which knows what that has: the folder of images and the encoder."""

    def __init__(self, address: str, searcher: Searcher) -> None:
        super().__init__(base_url=address, trust_env=False)
        self.address, self.folder, self.encoder = address, Path(searcher.root), searcher.encoder


@contextmanager
def serving(searcher: Searcher) -> Iterator[Server]:
    """Serves four images for a question by default."""
    service = Service(searcher)
    app = create_app(service, 4, LIMIT, {"127.0.0.1"})
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    with create_server(("127.0.0.1", 0), backlog=512) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with Server(f"http://127.0.0.1:{listening.getsockname()[1]}", searcher) as client:
            yield client
        server.should_exit = True
        thread.join()
    service.close()


def shown(page: str) -> list[str]:
    """The names of the images on a page."""
    return re.findall(r'<img src="/images/\d+\?small=true" alt="([^"]*)"', page)
