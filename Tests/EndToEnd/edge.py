"""TLS terminators in front of the daemon, with a self-signed certificate."""

import os
import ssl
import subprocess

import rails
import wire
from daemon import REPOSITORY


class Terminator:
    """A command that ends TLS for one name at a port of its own."""

    name = "app.example"

    def begin(self, folder, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)})
        rails.seconds_until_accepting(self.port)

    def make_certificate(self, folder):
        """Its key and itself."""
        rails.need("openssl")
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={self.name}", "-days", "2",
             "-addext", f"subjectAltName=DNS:{self.name}", "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=60)
        self.context = ssl.create_default_context(cafile=str(certificate))
        return key, certificate

    def connect(self):
        plain = wire.connected(("127.0.0.1", self.port))
        return wire.Wire(self.context.wrap_socket(plain, server_hostname=self.name))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Nginx(Terminator):
    """examples/nginx with other ports and another certificate."""

    name = "cable.example.com"

    def __init__(self, folder, backend_port):
        rails.need("nginx")
        self.port = wire.free_port()
        key, certificate = self.make_certificate(folder)
        text = (REPOSITORY / "examples" / "nginx" / "nginx.conf").read_text()
        for old, new in [
                ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"), ("127.0.0.1:3000", f"127.0.0.1:{backend_port}"),
                ("/etc/ssl/certs/cable.pem", str(certificate)), ("/etc/ssl/private/cable.key", str(key)),
                ("/run/nginx-ondemandd.pid", str(folder / "nginx.pid"))]:
            assert text.count(old) == 1, f"{old} stands in the example once"
            text = text.replace(old, new)
        file = folder / "nginx.conf"
        file.write_text(text)
        self.begin(folder, "nginx", "-c", str(file), "-g", "daemon off;")


class Caddy(Terminator):
    """examples/caddy with other ports, and with a certificate instead of the one that it would fetch."""

    name = "cable.example.com"

    def __init__(self, folder, backend_port):
        rails.need("caddy")
        self.port = wire.free_port()
        key, certificate = self.make_certificate(folder)
        text = (REPOSITORY / "examples" / "caddy" / "Caddyfile").read_text()
        for old, new in [
                ("127.0.0.1:3000", f"127.0.0.1:{backend_port}"),
                ("\ncable.example.com {", f"\ncable.example.com:{self.port} {{\n\ttls {certificate} {key}")]:
            assert text.count(old) == 1, f"{old} stands in the example once"
            text = text.replace(old, new)
        file = folder / "Caddyfile"
        file.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\tgrace_period 1s\n}\n" + text)
        self.begin(folder, "caddy", "run", "--config", str(file), "--adapter", "caddyfile")


class Edge(Terminator):
    """haproxy."""

    def __init__(self, folder, backend_port, proxy_protocol=None):
        rails.need("haproxy")
        self.port = wire.free_port()
        key, certificate = self.make_certificate(folder)
        both = folder / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        # As HTTP it tells the client in fields, as a plain stream in a header of the connection.
        if proxy_protocol:
            mode, tells, frontend = "tcp", f" {proxy_protocol}", ""
        else:
            mode, tells = "http", ""
            frontend = "  option forwardfor\n  http-request set-header X-Forwarded-Proto https\n"
        configuration = folder / "haproxy.cfg"
        configuration.write_text(
            f"global\n  maxconn 100\ndefaults\n  mode {mode}\n"
            "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 60s\n"
            f"frontend public\n  bind 127.0.0.1:{self.port} ssl crt {both} alpn http/1.1\n{frontend}"
            "  default_backend daemon\n"
            f"backend daemon\n  server daemon 127.0.0.1:{backend_port}{tells}\n")
        self.begin(folder, "haproxy", "-db", "-f", str(configuration))
