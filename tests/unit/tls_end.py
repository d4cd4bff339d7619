"""A process' end of TLS before a server that speaks none, with a certificate made here."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder: Path) -> Path:
    """Certificate and key of 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey of a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    path = folder / "both.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class TlsEnd:
    """Takes TLS connections and hands what comes on to a Valkey. `close_all` ends them as a server does that has enough."""

    def __init__(self, certificate: Path, behind: tuple[str, int]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[tuple[ssl.SSLSocket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.connections = 0
        self.away = False  # refuses everybody
        self.hangs = False  # takes what comes, and says nothing
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self._server.accept()
            except OSError:
                return
            if self.away:
                made.close()
                continue
            try:
                outer = self._context.wrap_socket(made, server_side=True)
            except OSError:  # the client does not trust the certificate
                made.close()
                continue
            self.connections += 1
            pair = outer, socket.create_connection(self._behind)
            self._open.append(pair)
            for source, target in (pair, pair[::-1]):
                self._threads.append(threading.Thread(target=self._pass_on, args=(source, target)))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 14):
                while self.hangs:
                    time.sleep(0.01)
                target.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close_all(self) -> None:
        for outer, inner in self._open:
            for one in (outer, inner):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)
        for pair in self._open:
            for one in pair:
                one.close()
        self._open = []

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._threads[0].join(5)
        self.close_all()
        for thread in self._threads:
            thread.join(5)
