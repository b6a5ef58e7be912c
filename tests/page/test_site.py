"""The page as files, and the server on this machine."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

import ctm
import ctm.page.site
from cli.commands import refused
from ctm import ConfigError
from ctm.control.episodes import watch
from ctm.page.server import address, serve
from page.conftest import needs_runtime
from plugin_files import TASK, write


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@needs_runtime
def test_a_site_has_what_it_needs_and_little_more(sites):
    site = sites("digits")
    found = files(site)
    described = json.loads((site / "site.json").read_text())
    assert {"index.html", "page/main.js", "page/style.css", described["view"], "model/0/tick.onnx"} <= found
    assert not [name for name in found if name.endswith((".py", ".d.ts", ".pyc"))]
    assert sum((site / name).stat().st_size for name in found) < 15_000_000
    assert described["title"] == "digits"
    modules = {name for name in found if name.endswith(".js")}
    for module in modules:
        for imported in re.findall(r'^import .* from "(\.[^"]+)"', (site / module).read_text(), re.MULTILINE):
            assert (site / module).parent.joinpath(imported).resolve() in {(site / name).resolve() for name in modules}


@needs_runtime
def test_what_is_there_stays(tmp_path, capsys):
    (tmp_path / "site").mkdir()
    assert "exists already" in refused(capsys, "show", "digits", "--out", tmp_path / "site")
    assert "no such file or folder" in refused(capsys, "show", tmp_path / "none", "--out", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_without_the_runtime_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ctm.page.site, "RUNTIME", tmp_path / "runtime")
    with pytest.raises(ConfigError, match="runtime is not there: in a clone of the repository, say 'make page'"):
        ctm.page.write("digits", tmp_path / "site")


def test_every_task_of_the_package_has_a_view_or_the_general_one():
    for name in ctm.zoo():
        view = ctm.page.site.view_of(ctm.preset(name).task)
        assert view is None or "export function createView(" in view.read_text()


@pytest.mark.usefixtures("new_process")
def test_the_page_of_a_task_in_a_file_of_the_users_stands_beside_it(tmp_path):
    ctm.plugins.load(write(tmp_path / "mine.py", TASK))
    task = ctm.preset("larger").task
    assert ctm.page.site.view_of(task) is None
    (tmp_path / "page.js").write_text("export function createView() {}")
    assert ctm.page.site.view_of(task) == tmp_path / "page.js"


def test_the_server_allows_threads_and_knows_modules(tmp_path):
    (tmp_path / "a.mjs").write_text("1")
    with serve(tmp_path) as server:
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"{address(server)}a.mjs") as response:
            assert response.headers["Content-Type"] == "text/javascript"
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert address(server).startswith("http://127.0.0.1:")
        with pytest.raises(
            ConfigError, match=rf"port = {server.server_port}: .*expected one that is free, or 0 for any"
        ):
            serve(tmp_path, server.server_port)
        server.shutdown()
    with pytest.raises(ConfigError, match="port = 70000"):
        serve(tmp_path, 70_000)


@needs_runtime
def test_the_command_serves_until_it_is_interrupted(tmp_path):
    command = [sys.executable, "-m", "ctm.cli", "show", "digits", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        line = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+/) ", line)
        assert found, (line, process.stderr.read())
        with urllib.request.urlopen(found[1]) as response:
            assert b"Continuous Thought Machine" in response.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert "Traceback" not in errors
        assert process.returncode == 0


def test_only_plain_cartpole_is_played_by_the_page_itself():
    model, task = ctm.load("cartpole/quick"), ctm.preset("cartpole/quick").task
    assert task.build().page_data(model) == {}
    skipping = task.replace(environment=task.environment.replace(frame_skip=2)).build().page_data(model)
    assert len(skipping["observations"]) == len(skipping["rewards"]) == len(skipping["frames"]) > 0
    assert skipping["frames"][0].startswith("data:image/jpeg;base64,")


def test_an_environment_that_cannot_be_drawn_has_an_episode_without_pictures(monkeypatch):
    def undrawn(act, config, seed, drawn=True):
        if drawn:
            raise ConfigError("cannot be drawn")
        return watch(act, config, seed, drawn)

    monkeypatch.setattr("ctm.tasks.control.task.watch", undrawn)
    task = ctm.preset("cartpole/quick").task
    data = (
        task.replace(environment=task.environment.replace(frame_skip=2)).build().page_data(ctm.load("cartpole/quick"))
    )
    assert data["frames"] == []
    assert len(data["observations"]) == len(data["rewards"]) > 0
