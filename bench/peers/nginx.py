"""nginx as a plain reverse proxy: no key, no record, no reading of bodies."""

import shutil
import subprocess
from pathlib import Path

from bench.peer import PeerUnavailableError, Place, Running, free_port, launch

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log {scratch}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  tcp_nodelay on;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class Nginx:
    """The best known plain proxy: what moving the bytes alone costs."""

    name = "nginx"
    does = "plain proxy: no key, no record, bodies unread"

    def install(self, environment: Path) -> str:
        """Finds nginx, which comes from apt."""
        del environment
        if shutil.which("nginx") is None:
            raise PeerUnavailableError("nginx is not installed (apt-get install nginx-light)")
        said = subprocess.run(["nginx", "-v"], capture_output=True, check=True, text=True).stderr
        return said.strip().rpartition("/")[2]

    def start(self, place: Place) -> Running:
        """Starts one worker with a keep-alive pool to the mock."""
        port = free_port()
        configuration = place.scratch / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(scratch=place.scratch, upstream=place.upstream_port, port=port)
        )
        process, log = launch(place, "nginx", "-p", str(place.scratch), "-c", str(configuration))
        return Running(process=process, port=port, log=log)
