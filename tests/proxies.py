"""nginx and Caddy in front of a server, with the very configuration that docs/proxy.md tells people to write."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import CHECKOUT

TEXT = (CHECKOUT / "docs" / "proxy.md").read_text(encoding="utf-8")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CADDY = shutil.which("caddy")
NGINX_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of our own for 127.0.0.1, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@contextmanager
def running_nginx(folder: Path, upstream: str) -> Iterator[str]:
    """nginx with TLS in front of a server; gives its address. `/faces/` leads to the same server."""
    site, below = _blocks("nginx")
    lines = re.search(r"location / \{\n.*?\n(.*?)\n    \}", site, re.DOTALL)
    assert lines is not None
    below = below.replace("# and all the lines of `location /` above", lines[1])
    server = site.rstrip().removesuffix("}") + below + "}\n"
    port = free_port()
    server = _local(server, folder, upstream).replace("listen 443", f"listen 127.0.0.1:{port}")
    config = folder / "nginx.conf"
    config.write_text(NGINX_AROUND.format(folder=folder, server=server.replace("faces.example.org", "127.0.0.1")))
    with _running([str(NGINX), "-c", str(config), "-p", str(folder)], folder, port):
        yield f"https://127.0.0.1:{port}"


@contextmanager
def running_caddy(folder: Path, upstream: str) -> Iterator[str]:
    """Caddy with TLS in front of a server; gives its address. `/faces/` leads to the same server."""
    site, below = _blocks("caddy")
    server = site.replace("    reverse_proxy", below + "\n    reverse_proxy", 1)
    port = free_port()
    server = _local(server, folder, upstream).replace("faces.example.org", f"https://127.0.0.1:{port}")
    config = folder / "Caddyfile"
    config.write_text("{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n}\n" + server)
    with _running([str(CADDY), "run", "--config", str(config), "--adapter", "caddyfile"], folder, port):
        yield f"https://127.0.0.1:{port}"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def _local(server: str, folder: Path, upstream: str) -> str:
    cert, key = certificate(folder)
    for name, path in (("cert.pem", cert), ("key.pem", key)):
        server = server.replace(f"/etc/ssl/gpen-ui/{name}", str(path))
    return server.replace("127.0.0.1:7860", upstream.removeprefix("http://"))


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(folder)}
    with (folder / "proxy.log").open("ab") as log:
        proxy = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait_for(port, proxy, folder / "proxy.log")
            yield
        finally:
            proxy.terminate()
            proxy.wait(20)


def _wait_for(port: int, proxy: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert proxy.poll() is None, log.read_text(errors="replace")
            time.sleep(0.02)
    sys.exit("the proxy does not listen")
