"""The page of examples/browser, opened in a browser without a screen."""

import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[1] / "examples" / "browser" / "build.py"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, str(BUILD), "--site", str(site)], check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")
def test_the_page_answers_as_python_does(address, tmp_path):
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path}", "--virtual-time-budget=60000"]
    done = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=180
    )
    head = done.stdout.partition("<head>")[0]
    facts = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', head))
    assert facts.get("done") == "true", done.stdout[:2000] + done.stderr[-2000:]
    assert float(facts["in-script"]) < 1e-6
    assert float(facts["in-voice"]) < 1e-6
    assert facts["same-intent"] == "true"
    if shutil.which("npm"):
        assert float(facts["in-runtime"]) < 1e-6
