"""The screen in a browser, against a running exchange: what a trader does, and what they must never see.

The tests themselves are in `web/tests/e2e/`, in the browser driver's own language; this starts them.
"""

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from e2e.asking import answer_to
from e2e.conftest import Exchange

from local.addresses import REPOSITORY
from local.screen import BUILT

WEB = REPOSITORY / "web"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange of these tests' own: what they look at are its only orders."""
    assert (BUILT / "index.html").is_file(), "the screen is not built: make screen"
    running = Exchange(tmp_path_factory.mktemp("screen"))
    try:
        running.start()
        yield running
    finally:
        running.kill_all()


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    status, found, body = answer_to(urllib.request.Request(url, headers=headers), 30)
    return status, {name.lower(): value for name, value in found.items()}, body


def test_served_beside_the_api(exchange: Exchange) -> None:
    """The page for browsers at its own paths, JSON for programs, and no foreign script whoever asks."""
    for path in ("/", "/trade/BTC-USD", "/wallet"):
        status, headers, body = fetch(exchange.application + path, Accept="text/html")
        assert (status, headers["content-type"]) == (200, "text/html")
        assert b'<div id="root">' in body
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-cache"
    status, _, body = fetch(exchange.application + "/config.json")
    assert status == 200
    assert exchange.user_pool_client_id.encode() in body
    assert fetch(exchange.application + "/products", Accept="text/html")[1]["content-type"].startswith("application/json")
    status, headers, body = fetch(exchange.application + "/nothing-here")
    assert (status, headers["content-type"].partition(";")[0]) == (404, "application/json")
    assert b'"code":"not_found"' in body
    assert fetch(exchange.application + "/assets/nothing.js", Accept="text/html")[0] == 404
    # Bots have no use for it, and their door signs every path.
    assert fetch(exchange.trading + "/", Accept="text/html")[0] == 404


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spec", [
    "trade", "account", "wallet", "operator", "quality", "docs", pytest.param("speed", marks=pytest.mark.alone)])
def test_in_a_browser(exchange: Exchange, spec: str) -> None:
    """`web/tests/e2e/<spec>.spec.ts`."""
    if CHROMIUM == "skip":
        pytest.skip("CHROMIUM=skip")
    assert CHROMIUM, "the browser tests need Debian's package chromium (CHROMIUM=skip leaves them out)"
    done = subprocess.run(
        ["node_modules/.bin/playwright", "test", "-c", "tests/e2e/playwright.config.ts", f"{spec}.spec"], cwd=WEB,
        capture_output=True, text=True,
        env={**os.environ, "EXCHANGE_URL": exchange.application, "CHROMIUM": CHROMIUM, "CI": "1"})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print("\n".join(line for line in done.stdout.splitlines() if "paint" in line or "frames" in line or "passed" in line))
