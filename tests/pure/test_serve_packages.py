"""The lab's package server: packages take their time when they are told to, everything else comes at once."""

import importlib.util
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from lab.docker import LAB

PLACE = LAB / "images" / "serve_packages.py"


def loaded() -> ModuleType:
    """The program as a module: in the lab it is a file by itself."""
    spec = importlib.util.spec_from_file_location("serve_packages", PLACE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Served:
    """A server of two packages and a list; `waited` is what it let pass, `setting` the file that says how long."""

    url: str
    setting: Path
    waited: list[float] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=20) as answer:
            return bytes(answer.read())


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    program = loaded()
    monkeypatch.setattr(program.Files, "log_message", lambda *_: None)
    folder = tmp_path / "srv"
    folder.mkdir()
    for name in ("st2_2.2.1-8_amd64.deb", "st2-2.2.1-8.x86_64.rpm", "Packages"):
        (folder / name).write_text(name)
    found = Served("", tmp_path / "package-seconds")
    server = program.server(folder, 0, program.Links(found.setting, found.waited.append))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_word_everything_comes_at_once(served: Served) -> None:
    assert served.get("st2_2.2.1-8_amd64.deb") == b"st2_2.2.1-8_amd64.deb"
    assert served.waited == []


def test_packages_take_their_time_and_lists_do_not(served: Served) -> None:
    served.setting.write_text("2\n")
    assert served.get("Packages") == b"Packages"
    assert served.waited == []
    served.get("st2_2.2.1-8_amd64.deb")
    served.get("st2-2.2.1-8.x86_64.rpm?again")
    assert served.waited == [2.0, 2.0]


def test_it_is_told_anew_while_it_serves(served: Served) -> None:
    for word in ("1.5", "0", ""):
        served.setting.write_text(word)
        served.get("st2_2.2.1-8_amd64.deb")
    assert served.waited == [1.5]


def test_what_a_client_asks_for_at_the_same_time_comes_one_after_the_other(tmp_path: Path) -> None:
    program = loaded()
    (tmp_path / "seconds").write_text("2")
    under_way: list[str] = []
    most = 0

    def sleep(_: float) -> None:
        nonlocal most
        under_way.append("one")
        most = max(most, len(under_way))
        threading.Event().wait(0.02)
        under_way.pop()

    links = program.Links(tmp_path / "seconds", sleep)
    threads = [threading.Thread(target=links.carry, args=("10.0.0.2",)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 1
