"""What hashicorp/go-plugin expects of a plugin: the handshake, health, the end.

Nothing in here knows of mail, so that it serves any transport in Python.
"""

import base64
import datetime
import os
import sys
import tempfile
import threading
from concurrent import futures

import grpc

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    x509 = None  # then there is no TLS

COOKIE = ("POSTILION_PLUGIN", "transport")  # how the daemon tells us that it is there
HOST_PID = "POSTILION_HOST_PID"
PROTOCOL = "1"  # of postilion.plugin.v1
MAX_MESSAGE = 64 << 20
THREADS = 70  # each call that is under way needs one


def serve(register):
    """Serves what register puts on a server, until the daemon ends it or is gone."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This program is a plugin of Postilion: postilion plugins add PATH")
    if PROTOCOL not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", PROTOCOL).split(","):
        sys.exit("The daemon does not speak version 1 of the protocol; use a newer version of this program")

    over = threading.Event()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=THREADS), options=[("grpc.max_receive_message_length", MAX_MESSAGE)],
    )
    register(server)
    server.add_generic_rpc_handlers((_house_keeping(over),))
    # The daemon names a directory that is nobody else's and takes the socket away.
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp()
    socket = os.path.join(directory, "s")
    certificate = _listen(server, "unix:" + socket, os.environ.get("PLUGIN_CLIENT_CERT"))
    server.start()
    threading.Thread(target=_watch_host, args=(over,), daemon=True).start()

    # The only line on stdout: core protocol, ours, where we listen, and our
    # certificate. From here on print() is for nobody; the log is stderr.
    print("1", PROTOCOL, "unix", socket, "grpc", certificate, sep="|", flush=True)
    over.wait()
    server.stop(grace=1).wait()


def _listen(server, address, daemon):
    """Listens; by TLS, if the daemon has a certificate. Gives ours, as the daemon wants it."""
    if not daemon:  # plugins add --no-tls: the socket's directory protects it
        server.add_insecure_port(address)
        return ""
    if x509 is None:
        sys.exit("The daemon wants TLS, for which python3-cryptography is missing; install it, or: postilion plugins add --no-tls PATH")
    key, certificate = _make_certificate()
    pem = serialization.Encoding.PEM
    credentials = grpc.ssl_server_credentials(
        [(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()), certificate.public_bytes(pem))],
        root_certificates=daemon.encode(), require_client_auth=True,
    )
    server.add_secure_port(address, credentials)
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode().rstrip("=")


def _make_certificate():
    """Makes a key and a certificate for this process."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1)).not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _house_keeping(over):
    """The services of go-plugin. Their messages are so small that they stand here as octets."""

    def shutdown(_request, _context):
        over.set()
        return b""  # plugin.Empty

    methods = {
        # grpc.health.v1.HealthCheckResponse with status SERVING, for "plugin".
        "/grpc.health.v1.Health/Check": lambda _request, _context: b"\x08\x01",
        "/plugin.GRPCController/Shutdown": shutdown,
    }
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}

    class House(grpc.GenericRpcHandler):
        def service(self, details):
            return handlers.get(details.method)

    return House()


def _watch_host(over):
    """A daemon that was killed cannot say so: then our parent is another process."""
    host = int(os.environ.get(HOST_PID) or os.getppid())
    while not over.wait(1):
        if os.getppid() != host:
            over.set()
