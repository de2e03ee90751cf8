"""A headless Chromium for tests of pages, spoken to over a pair of pipes: no driver has to be installed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOUND = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)
PATIENCE = 300.0
AS_THREE_AND_FOUR = """
import fcntl, os, sys
down, up = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])
os.dup2(down, 3), os.dup2(up, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Where Chromium expects its pipes."""


class Chromium:
    """One page; `console`, what it complained of, and `requests`, every address that it asked for."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        assert FOUND is not None, "no Chromium here"
        (down_read, self.down), (self.up, up_write) = os.pipe(), os.pipe()
        command = [sys.executable, "-c", AS_THREE_AND_FOUR, str(down_read), str(up_write), FOUND, *FLAGS]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(down_read, up_write),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(down_read)
        os.close(up_write)
        self.rest, self.count, self.session = b"", 0, ""
        self.console: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def resize(self, width: int, height: int) -> None:
        """As a screen of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer of one command of the DevTools protocol."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.down, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            event = self._event(end)
            if event.get("id") == message["id"]:
                assert "error" not in event, event
                result: dict[str, Any] = event["result"]
                return result
            self._note(event)
        raise TimeoutError(method)

    def _event(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.up], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer")
            piece = os.read(self.up, 1 << 20)
            assert piece, "Chromium has gone"
            self.rest += piece
        text, _, self.rest = self.rest.partition(b"\0")
        event: dict[str, Any] = json.loads(text)
        return event

    def _note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.console.append(json.dumps(about["exceptionDetails"])[:1000])
        elif event.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.console.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif event.get("method") == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.console.append(json.dumps(about["args"])[:1000])

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, patience: float = PATIENCE) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + patience
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{script} was never true; the page said {self.console}")
            time.sleep(0.05)

    def shot(self, path: Path, whole: bool = True) -> None:
        """The page as a PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        os.close(self.down)
        os.close(self.up)
