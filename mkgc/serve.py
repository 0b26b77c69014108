"""`python -m mkgc.serve index=INDEX`: a page on which images are searched by text and by image, and a JSON endpoint."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import ExitStack

import hydra
from omegaconf import DictConfig

from mkgc.app.command import exit_on_user_error, require, run
from mkgc.app.config import check_keys
from mkgc.app.keys import SERVE
from mkgc.app.packages import CONF
from mkgc.errors import ConfigError
from mkgc.terminal import say

LOOPBACK = ("127.0.0.1", "localhost", "::1")

AT_ONCE, BACKLOG = 500, 2048
"""Connections that are answered at the same time, others being told to come again, and that may wait to be accepted."""


def serve(config: DictConfig) -> None:
    """Answers until it is told to end.

    Raises:
        MkgcError: A key has a wrong value, the address cannot be listened at, or the index cannot be used.
    """
    require(config, "index")
    check_keys(config, SERVE)
    _check_installed()
    listening = _listen(config.host, config.port)
    with listening:
        import uvicorn

        from mkgc.searching.app import create_app
        from mkgc.searching.searcher import open_searcher
        from mkgc.searching.service import Service

        service = Service(open_searcher(config.index, config.checkpoint, config.images, config.device, config.trusted))
        hosts = () if _is_open(config.host) else {*LOOPBACK, config.host}
        app = create_app(service, config.top_k, round(config.upload_mb * 1_000_000), hosts)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, limit_concurrency=AT_ONCE, lifespan="off")
        )
        what = "images" if service.searcher.texts is None else "texts"
        say(f"{len(service.searcher.names):,} {what} at {_address(listening, config.host)} (Ctrl-C ends it)")
        if _is_open(config.host):
            say("everybody who can reach this address can search, and see the images", error=True)
        try:
            server.run(sockets=[listening])
        finally:
            service.close()


def _check_installed() -> None:
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed, which the page needs: pip install mkgc[serve]") from error


def _listen(host: str, port: int) -> socket.socket:
    """A socket at an address.

    Raises:
        ConfigError: It cannot be listened at.
    """
    with ExitStack() as opened:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            made = opened.enter_context(socket.socket(family, kind, protocol))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(BACKLOG)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"host={host} port={port}: cannot be listened at: {reason}") from None
        opened.pop_all()
    return made


def _is_open(host: str) -> bool:
    """Whether others than this machine may reach an address."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _address(listening: socket.socket, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}/"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="serve")
@exit_on_user_error
def _main(config: DictConfig) -> None:
    serve(config)


def main() -> None:
    """The command."""
    run(_main, "serve")


if __name__ == "__main__":
    main()
