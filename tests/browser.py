"""A thin driver of headless Chromium: DevTools messages over two pipes, no further dependency.

Debian: apt install chromium. `find_chromium` is None where there is none; tests then say so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT = 60.0


def find_chromium() -> str | None:
    """Path of the browser; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page in a headless browser, and everything that it said or asked for."""

    def __init__(self, path: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="planner-browser-")
        # The browser reads messages from its descriptor 3 and writes to 4.
        read, self._out = os.pipe()
        self._in, write = os.pipe()
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
            "--hide-scrollbars", "--force-device-scale-factor=1", f"--user-data-dir={self.folder}",
            "about:blank",
        ]  # fmt: skip

        def descriptors() -> None:
            os.dup2(read, 30)
            os.dup2(write, 31)
            os.dup2(30, 3)
            os.dup2(31, 4)

        self._process = subprocess.Popen(
            [path, *flags], preexec_fn=descriptors, close_fds=False, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        os.set_blocking(self._in, False)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = None
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one DevTools command."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        until = time.monotonic() + TIMEOUT
        while True:
            found = self._read(until)
            if found.get("id") == self._number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return dict(found["result"])
            self.events.append(found)

    def _read(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            try:
                self._buffer += os.read(self._in, 1 << 20)
            except BlockingIOError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise TimeoutError("the browser does not answer") from None
                time.sleep(0.002)
        text, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(text))

    def open(self, path: Path) -> None:
        """Load a file, until it is there."""
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        until = time.monotonic() + TIMEOUT
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read(until))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        """Show the page in a window of this size, in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)  # fmt: skip

    def press(self, key: str, code: int) -> None:
        """One key, such as ("Tab", 9)."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code)  # fmt: skip

    def scripts(self, on: bool) -> None:
        """Whether pages may run scripts."""
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def picture(self, path: Path, whole: bool = True) -> None:
        """A PNG of the page."""
        import base64

        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self) -> bytes:
        """The page as PDF, as its style sheet asks."""
        import base64

        data = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
        return base64.b64decode(data)

    def problems(self) -> list[str]:
        """Exceptions, errors and warnings that the page reported since it was opened."""
        self.run("0")  # what is on its way arrives before the answer
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events
                if event.get("method") in kinds]  # fmt: skip

    def requests(self) -> list[str]:
        """Addresses that the page asked for since it was opened."""
        self.run("0")
        return [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip

    def close(self) -> None:
        """End the browser and remove its folder."""
        for end in (self._out, self._in):
            os.close(end)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
