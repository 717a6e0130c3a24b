"""A vault whose append rule was loosened: it stands before the real one, has its key, and passes on what it is asked, with the key of
the host; but objects of some kinds can be deleted, and other bytes written over whatever is there.

loosened_vault.py LISTEN REAL STORE VAULT_KEY HOST_KEY KINDS: two addresses, the folder of the vault's objects, two files with Ed25519
seeds, and for which kinds ("packs|lists|manifests|index")
"""

import datetime
import hashlib
import http.client
import http.server
import os
import re
import ssl
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOP = {"connection", "content-length", "transfer-encoding", "keep-alive"}


def pem(seed_file):
    """A file with a key and a certificate that it signs for itself."""
    with open(seed_file) as file:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read().strip()))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vow")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
    kind = serialization
    text = key.private_bytes(kind.Encoding.PEM, kind.PrivateFormat.PKCS8, kind.NoEncryption())
    file = tempfile.NamedTemporaryFile()
    file.write(text + builder.sign(key, None).public_bytes(kind.Encoding.PEM))
    file.flush()
    return file


def main(listen, real, store, vault_key, host_key, kinds):
    loosened = re.compile(rf"/v1/hosts/([0-9a-f]{{64}})/({kinds})/([0-9a-f]{{64}})")
    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pem(vault_key) as file:
        front.load_cert_chain(file.name)
    front.set_alpn_protocols(["http/1.1"])
    back = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    back.check_hostname, back.verify_mode = False, ssl.CERT_NONE
    with pem(host_key) as file:
        back.load_cert_chain(file.name)
    back.set_alpn_protocols(["http/1.1"])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def place(self):
            """Where the object that is asked for lies, or would."""
            found = loosened.fullmatch(self.path)
            if not found:
                return None
            host, kind, name = found.groups()
            folder = os.path.join(store, "hosts", host, kind)
            return os.path.join(folder, name[:2], name) if kind == "packs" else os.path.join(folder, name)

        def answer(self, status, headers, body):
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            place = self.place()
            if place and self.command == "DELETE" and os.path.isfile(place):
                os.remove(place)
                return self.answer(204, [], b"")
            # What is what its name says is stored as ever.
            if place and self.command == "PUT" and hashlib.sha256(body).hexdigest() != os.path.basename(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place + ".new", "wb") as file:
                    file.write(body)
                os.rename(place + ".new", place)
                return self.answer(201, [], b"")
            host, port = real.rsplit(":", 1)
            passed = http.client.HTTPSConnection(host, int(port), context=back, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            passed.request(self.command, self.path, body or None, headers)
            got = passed.getresponse()
            content = got.read()
            self.answer(got.status, [pair for pair in got.getheaders() if pair[0].lower() not in HOP], content)
            passed.close()

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = any

        def log_message(self, *_):
            pass

    host, port = listen.rsplit(":", 1)
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler, bind_and_activate=True)
    server.socket = front.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


main(*sys.argv[1:])
