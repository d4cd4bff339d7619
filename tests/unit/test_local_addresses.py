"""What `make run` is given: a folder, ports. Only what is the exchange's is deleted; each refusal says what to do."""

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from local.addresses import CONTENT, CannotStart, DataFolder, Run, parse_ports
from local.servers import SOCKET_NAME, SOCKET_PATH_LIMIT, Postgres


@pytest.mark.parametrize("text", ["", "8080", "8080,8081", "a,b,c", "1,2,65536", "1,2,-3", "1, 2, 3", "1,2,3,4",
                                  "\u0661,\u0662,\u0663"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="wanted `free` or three port numbers"):
        parse_ports(text)


def test_ports() -> None:
    assert list(parse_ports("9080,9081,0").values()) == [9080, 9081, 0] and set(parse_ports("free").values()) == {0}


def test_a_folder_is_emptied_of_the_exchanges_own_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.lock()
    folder.write_run(Run())
    (tmp_path / "postgres" / "base").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    (tmp_path / "outside").write_text("kept")
    (tmp_path / "logs").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "one").write_text("kept")
    folder.empty()
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "outside", "photos"}
    assert (tmp_path / "photos" / "one").exists()


@pytest.mark.parametrize("name", [name for name in CONTENT if name != "run.json"])
def test_a_folder_on_which_no_exchange_has_run_is_not_emptied(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(CannotStart, match="No exchange has run on"):
        DataFolder(tmp_path).empty()
    assert (tmp_path / name).exists()


def test_an_empty_folder_may_be_emptied(tmp_path: Path) -> None:
    DataFolder(tmp_path).empty()


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no")):
        with pytest.raises(CannotStart, match="cannot be the data folder"):
            DataFolder(path).lock()


@pytest.mark.parametrize("name", ["plain", "with space", "ü", "comma,", "quo'te", "percent%20", "x" * 100])
def test_sockets_have_short_plain_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """They stand in connection strings and URLs; a folder's own name may be anything."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tempo rary"))
    found = {Postgres(place / name, place).admin_dsn.partition(" port=")[0].removeprefix("host=")
             for place in (Path("/data"), Path("/other"))}
    assert len(found) == 2, "each folder has its own"
    for folder in found:
        assert folder.isascii() and not set(folder) & set(" ,'%\\?#")
        assert len(f"{folder}/{SOCKET_NAME}.lock") <= SOCKET_PATH_LIMIT
        assert folder.startswith("/tmp/" if name != "plain" else ("/data", "/other"))
