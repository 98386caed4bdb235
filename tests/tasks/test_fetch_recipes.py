"""Public files are fetched whole, checked, or not at all."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from ovbench.errors import InputError, OvbenchError, ValidationError
from ovbench.tasks import fetch as module
from ovbench.tasks.card import Card, File, cards
from ovbench.tasks.fetch import fetch

TABLE = b"Sr No.,Utterance\n1,Oh.\n"


class _Server(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/table.csv")
            self.end_headers()
        elif self.path in ("/table.csv", "/cut.csv"):
            self.send_response(200)
            promised = len(TABLE) + (100 if self.path == "/cut.csv" else 0)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(TABLE)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Server.asked.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def card(url: str, sha256: str = hashlib.sha256(TABLE).hexdigest()) -> Card:
    file = File(path="sub/table.csv", holds="rows", url=url, sha256=sha256)
    return cards()["meld"].model_copy(update={"files": (file,)})


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(server: str, tmp_path: Path) -> None:
    into = tmp_path / "MELD"
    (path,) = fetch(card(f"{server}/table.csv"), into, plain_http=True)
    assert path == into / "sub" / "table.csv"
    assert path.read_bytes() == TABLE
    fetch(card(f"{server}/table.csv"), into, plain_http=True)
    assert _Server.asked == ["/table.csv"]


def test_another_file_is_refused_and_nothing_is_written(server: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"what came has SHA-256 .* nothing was written"):
        fetch(card(f"{server}/table.csv", "0" * 64), tmp_path, plain_http=True)
    assert left(tmp_path) == []


def test_a_file_of_the_users_own_is_left_alone(server: str, tmp_path: Path) -> None:
    own = tmp_path / "sub" / "table.csv"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    with pytest.raises(ValidationError, match="is another file than the card's"):
        fetch(card(f"{server}/table.csv"), tmp_path, plain_http=True)
    assert own.read_bytes() == b"mine"
    assert _Server.asked == []


@pytest.mark.parametrize("reason", ["it is no file", "Permission denied"])
def test_what_is_there_and_cannot_be_read(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    place = tmp_path / "sub" / "table.csv"
    if reason == "it is no file":
        place.mkdir(parents=True)
    else:
        place.parent.mkdir()
        place.write_bytes(TABLE)

        def closed(_: Path) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(module, "file_sha256", closed)
    with pytest.raises(InputError, match=rf"table\.csv: what is there .*\({reason}\).*Move it"):
        fetch(card(f"{server}/table.csv"), tmp_path, plain_http=True)
    assert _Server.asked == []


def test_a_cut_connection(server: str, tmp_path: Path) -> None:
    with pytest.raises(OvbenchError, match=f"cut after {len(TABLE)} of {len(TABLE) + 100} bytes"):
        fetch(card(f"{server}/cut.csv"), tmp_path, plain_http=True)
    assert left(tmp_path) == []


def test_a_file_that_is_gone(server: str, tmp_path: Path) -> None:
    with pytest.raises(OvbenchError, match=r"answered 404\. Download it by hand into .*table\.csv"):
        fetch(card(f"{server}/gone.csv"), tmp_path, plain_http=True)


def test_too_large_a_file(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 4)
    with pytest.raises(OvbenchError, match="larger than"):
        fetch(card(f"{server}/table.csv"), tmp_path, plain_http=True)
    assert left(tmp_path) == []


def test_offline(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(OvbenchError, match=r"no network .* Download it by hand into .*table\.csv"):
        fetch(card(f"http://127.0.0.1:{port}/table.csv"), tmp_path, plain_http=True)
    assert left(tmp_path) == []


def test_only_https_is_followed(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="https://"):
        fetch(card(f"{server}/table.csv"), tmp_path)
    assert _Server.asked == []
    with pytest.raises(OvbenchError):
        fetch(card(f"{server}/moved.csv"), tmp_path, plain_http=True)
    assert left(tmp_path) == []


def test_gated_data_is_never_fetched(tmp_path: Path) -> None:
    gated = cards()["iemocap"]
    assert not any(file.url for file in gated.files)
    with pytest.raises(InputError, match="none of its files may be fetched"):
        fetch(gated, tmp_path)


def test_every_recipe_is_pinned() -> None:
    public = {c.id: [f for f in c.files if f.url] for c in cards().values()}
    assert {name for name, files in public.items() if files} == {"meld", "crema-d"}
    for files in public.values():
        for file in files:
            start, _, rest = str(file.url).partition(".com/")
            assert start == "https://raw.githubusercontent"
            commit = rest.split("/")[2]
            assert len(commit) == 40
            assert not set(commit) - set("0123456789abcdef")
            assert len(str(file.sha256)) == 64
            assert not set(file.path) & set("*?")


def test_the_recipe_of_meld_is_the_file_of_the_field(shared_data: Path) -> None:
    data = (shared_data / "meld" / "test_sent_emo.csv").read_bytes()
    file = next(f for f in cards()["meld"].files if f.path == "test_sent_emo.csv")
    assert hashlib.sha256(data).hexdigest() == file.sha256
