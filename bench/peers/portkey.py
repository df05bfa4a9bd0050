"""Portkey's open-source gateway (Node.js), from npm. Its 1.15.2 answers 500 to every streamed chat."""

import shutil
import subprocess
from pathlib import Path

from bench.peer import PeerUnavailableError, Place, Running, free_port, launch

VERSION = "1.15.2"


class Portkey:
    """The stateless gateway; the provider is named by headers on each request."""

    name = "portkey"
    does = "rebuilds bodies by headers; no keys, no record"

    def install(self, environment: Path) -> str:
        """Installs the package with npm."""
        if shutil.which("npm") is None:
            raise PeerUnavailableError("npm is not installed")
        marker = environment / "installed.txt"
        if not (marker.exists() and marker.read_text() == VERSION):
            environment.mkdir(parents=True, exist_ok=True)
            (environment / "package.json").write_text('{"private": true}')
            package = f"@portkey-ai/gateway@{VERSION}"
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", package]
            try:
                subprocess.run(command, cwd=environment, check=True, capture_output=True, timeout=600)
            except (subprocess.SubprocessError, OSError) as problem:
                raise PeerUnavailableError(f"npm could not install {package}: {problem}") from problem
            marker.write_text(VERSION)
        return VERSION

    def start(self, place: Place) -> Running:
        """Starts the gateway without its page."""
        port = free_port()
        server = place.environment / "node_modules/@portkey-ai/gateway/build/start-server.js"
        process, log = launch(place, "node", str(server), f"--port={port}", "--headless")
        headers = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{place.upstream_port}/v1",
            "authorization": "Bearer none",
        }
        return Running(process=process, port=port, log=log, headers=headers)
