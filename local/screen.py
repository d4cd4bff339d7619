"""The trading screen at the application door: the built files, `/config.json`, and `index.html` for its own paths.

What the door's routes do not match comes here. A path of the screen's own (`/trade/BTC-USD`) is told from a mistyped route
by what the browser says it wants: only who accepts HTML gets the page, so that programs keep their `404` in JSON. Built by
`make screen`; where it was not built there is nothing here, and the door answers as if there were no screen.
"""

import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from cdk.screen import security_headers
from local.addresses import REPOSITORY

BUILT = REPOSITORY / "build" / "screen"
_COMPRESSED = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class File:
    """A built file, read once."""

    body: bytes
    compressed: bytes | None
    content_type: str
    cache: str


class Screen:
    """The files of one build, in memory: some hundred kilobytes."""

    def __init__(self, files: dict[str, File], headers: dict[str, str]) -> None:
        self._files = files
        self._headers = headers

    @classmethod
    def read(cls, configuration: dict[str, Any], folder: Path = BUILT) -> "Screen | None":
        """The build in `folder`, or None where there is none."""
        if not configuration or not (folder / "index.html").is_file():
            return None
        files = {f"/{path.relative_to(folder).as_posix()}": _read(path, immutable=path.parent.name == "assets")
                 for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
        files["/config.json"] = _file(orjson.dumps(configuration), "application/json", immutable=False)
        files["/"] = files["/index.html"]
        connect = [address for address in (configuration["feed"], configuration["cognito"].get("endpoint")) if address]
        return cls(files, security_headers(connect))

    def answer(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """The file at `path`, or the page itself where a browser wants one; None: not ours."""
        if request.method not in ("GET", "HEAD"):
            return None
        file = self._files.get(path)
        if file is None:
            if "text/html" not in request.headers.get("Accept", "") or path.startswith("/assets/"):
                return None
            file = self._files["/"]
        headers = self._headers | {"Cache-Control": file.cache, "Vary": "Accept, Accept-Encoding"}
        body = file.body
        if file.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.compressed, "gzip"
        return web.Response(body=body, content_type=file.content_type, headers=headers)


def _read(path: Path, *, immutable: bool) -> File:
    kind = "application/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    return _file(path.read_bytes(), kind or "application/octet-stream", immutable=immutable)


def _file(body: bytes, content_type: str, *, immutable: bool) -> File:
    compressed = gzip.compress(body, 6, mtime=0) if content_type.startswith(_COMPRESSED) and len(body) > 500 else None
    return File(body, compressed, content_type, "public, max-age=31536000, immutable" if immutable else "no-cache")
