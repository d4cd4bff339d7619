"""What the person at the terminal sees: a line per part, the addresses, and what to do next."""

import sys
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from local.addresses import Run
from local.screen import BUILT


def _demo(run: Run) -> str:
    if not run.demo_login:
        return ""
    return (f"The demo market is on (DEMO=0 leaves it out): two bots trade in every market. To join them, sign in as\n"
            f"  {run.demo_login['email']}      password {run.demo_login['password']}      50,000 USD of play money\n"
            "or open an account of your own: no e-mail is needed, and the faucet gives more.\n\n")


class Progress:
    """Prints, or with `quiet` keeps still. Errors are the caller's."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()

    async def step(self, name: str, work: Awaitable[Any], detail: str) -> Any:
        """Awaits `work` and tells how long it took."""
        began = time.monotonic()
        try:
            result = await work
        except Exception:  # not when it is cancelled: by Ctrl-C, or by the failure of another
            self._print(f"  failed   {name}")
            raise
        self._print(f"  ok  {time.monotonic() - began:5.1f} s  {name:<22} {detail}".rstrip())
        return result

    def note(self, text: str) -> None:
        self._print(f"               {text}")

    def ready(self, run: Run) -> None:
        screen = "open it in a browser" if BUILT.is_dir() else "not built: make screen"
        self._print(
            f"\nThe exchange is ready after {time.monotonic() - self._began:.1f} s.\n\n"
            f"  screen            {run.application}      {screen}\n"
            f"  application API   {run.application}      Cognito token\n"
            f"  trading API       {run.trading}      API key\n"
            f"  WebSocket feed    {run.websocket}\n"
            f"  AWS emulator      {run.emulator}      user pool {run.user_pool_id}, client {run.user_pool_client_id}\n"
            f"  markets           {', '.join(run.markets)}\n\n"
            f"{_demo(run)}"
            f"Try:    curl {run.application}/products\n"
            "Next:   make user EMAIL=you@example.com      (a user, an API key, play money)\n"
            "        make status                          (what runs, and where)\n"
            "Users and API keys are saved before each answer, the rest is in PostgreSQL: kill anything. Ctrl-C stops.")

    def _print(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)


def warn(text: str) -> None:
    """Tells what is wrong with an exchange that runs; it goes on also when nobody reads that any more."""
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)
