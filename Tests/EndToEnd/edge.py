"""A TLS terminator in front of the daemon: haproxy with a certificate that nobody else knows."""

import ssl
import subprocess

import rails
import wire


class Edge:
    def __init__(self, folder, backend_port, proxy_protocol=None):
        rails.need("haproxy", "openssl")
        self.port = wire.free_port()
        key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app.example", "-days", "2",
             "-addext", "subjectAltName=DNS:app.example", "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=60)
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
        self.context = ssl.create_default_context(cafile=str(certificate))
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(configuration)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        rails.seconds_until_accepting(self.port)

    def connect(self):
        plain = wire.connected(("127.0.0.1", self.port))
        return wire.Wire(self.context.wrap_socket(plain, server_hostname="app.example"))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
