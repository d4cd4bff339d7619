"""What the emulator answered is on disk, or it says that it is not."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.emulator import NotSaved, Saver, saving


class Store:
    """Stands for MiniStack's persistence, which only logs when it fails."""

    def __init__(self, folder: Path) -> None:
        self.STATE_DIR = str(folder)
        self.is_full = False

    def save_state(self, service: str, state: object) -> None:
        if not self.is_full:
            new = Path(self.STATE_DIR) / "new"
            new.write_text(json.dumps(state))
            new.replace(Path(self.STATE_DIR) / f"{service}.json")


def made(folder: Path) -> tuple[Saver, Store]:
    store = Store(folder)
    return Saver(SimpleNamespace(_build_persistence_save_dict=lambda: {"kms": lambda: {"keys": 1}}), store), store


def test_a_state_that_is_not_on_disk_is_no_saved_state(tmp_path: Path) -> None:
    saver, store = made(tmp_path)

    async def run() -> None:
        store.is_full = True
        for _ in range(2):
            results = await asyncio.gather(*(saver.save("kms") for _ in range(3)), return_exceptions=True)
            assert [type(result) for result in results] == [NotSaved] * 3
        store.is_full = False
        await saver.save("kms")
        await saver.save("kms")
        store.is_full = True
        with pytest.raises(NotSaved):
            await saver.save("kms")
    asyncio.run(run())
    assert json.loads((tmp_path / "kms.json").read_text()) == {"keys": 1}


@pytest.mark.parametrize(("target", "is_full", "status"), [
    (b"TrentService.CreateKey", False, 200), (b"TrentService.CreateKey", True, 500), (b"TrentService.DescribeKey", True, 200)])
def test_a_change_that_is_not_on_disk_is_answered_as_an_error(tmp_path: Path, target: bytes, is_full: bool,
                                                                status: int) -> None:
    saver, store = made(tmp_path)
    store.is_full = is_full
    sent: list[dict] = []

    async def application(scope: dict, receive: Callable, send: Callable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"x-amz-target", target)]}
    asyncio.run(saving(application, saver)(scope, None, send))
    assert sent[0]["status"] == status
    body = b"".join(message["body"] for message in sent[1:])
    assert not sent[-1].get("more_body") and len(sent) == (3 if status == 200 else 2)
    assert body == b"{}" if status == 200 else json.loads(body)["__type"] == "InternalServerError"
