"""A real SMTP server for tests: aiosmtpd. Arguments: plain, tls or starttls; a folder for mails and certificates.

Prints its port; ends when its standard input does.
"""

import datetime
import email.policy
import ipaddress
import json
import ssl
import sys
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

how, folder = sys.argv[1], Path(sys.argv[2])


class Handler:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "replace").replace("\r\n", "\n")
        if "X-Vow-Ticket: busy\n" in text:
            return "451 4.3.2 come back later"
        if "X-Vow-Ticket: refused\n" in text:
            return "554 5.7.1 not here"
        Handler.count += 1
        head = "X-Envelope: %s -> %s\n" % (envelope.mail_from, " ".join(envelope.rcpt_tos))
        # Written whole or not at all: a test may look at any time.
        part = folder / ("%03d.part" % Handler.count)
        part.write_text(json.dumps(read(envelope)))
        part.rename(folder / ("%03d.json" % Handler.count))
        part.write_text(head + text)
        part.rename(folder / ("%03d.eml" % Handler.count))
        return "250 2.0.0 taken as %d" % Handler.count


def read(envelope):
    """What a reader of mail makes of it."""
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    return {
        "sender": envelope.mail_from,
        "recipients": envelope.rcpt_tos,
        "headers": [(name, str(value)) for name, value in mail.items()],
        "defects": [str(defect) for defect in mail.defects],
        "kind": mail.get_content_type(),
        "text": mail.get_content() if not mail.is_multipart() else "",
    }


def certificate():
    """A certificate authority and a certificate for localhost."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def build(subject, public, extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test authority"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(ca_key, hashes.SHA256())

    ca = build("test authority", ca_key.public_key(), [(x509.BasicConstraints(True, None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = build("localhost", key.public_key(), [(names, False), (x509.BasicConstraints(False, None), True)])
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "chain.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    return context


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"vow", b"correct horse")
    return AuthResult(success=good, handled=False)  # it answers 535 itself


options = {"hostname": "localhost", "port": 0}
if how == "tls":
    options.update(ssl_context=certificate(), authenticator=login, auth_required=True, auth_require_tls=False)
elif how == "starttls":
    options.update(tls_context=certificate(), require_starttls=True, authenticator=login, auth_required=True)


class AnyPort(Controller):
    """aiosmtpd asks its own port by connecting to it, which needs the number that the system chose."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = AnyPort(Handler(), **options)
controller.start()
print(controller.port, flush=True)
sys.stdin.read()
controller.stop()
