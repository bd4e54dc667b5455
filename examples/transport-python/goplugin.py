"""What hashicorp/go-plugin expects of a plugin: the handshake, health, the end.

Nothing in here knows of mail, so that it serves any transport in Python.
"""

import os
import sys
import tempfile
import threading
from concurrent import futures

import grpc

COOKIE = ("POSTILION_PLUGIN", "transport")  # how the daemon tells us that it is there
HOST_PID = "POSTILION_HOST_PID"
PROTOCOL = "1"  # of postilion.plugin.v1
MAX_MESSAGE = 64 << 20
THREADS = 70  # each call that is under way needs one


def serve(register):
    """Serves what register puts on a server, until the daemon ends it or is gone."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This program is a plugin of Postilion: postilion plugins add --no-tls PATH")
    if PROTOCOL not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", PROTOCOL).split(","):
        sys.exit("The daemon does not speak version 1 of the protocol; use a newer version of this program")
    if os.environ.get("PLUGIN_CLIENT_CERT"):
        # It has a P-521 key, which grpcio before 1.60 cannot use.
        sys.exit("The daemon wants TLS, which this program has not: postilion plugins add --no-tls PATH")

    over = threading.Event()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=THREADS),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.so_reuseport", 0)],
    )
    register(server)
    server.add_generic_rpc_handlers((_house_keeping(over),))
    # The daemon names a directory that is nobody else's and takes the socket away.
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp()
    socket = os.path.join(directory, "s")
    server.add_insecure_port("unix:" + socket)
    server.start()
    threading.Thread(target=_watch_host, args=(over,), daemon=True).start()

    # The only line on stdout: core protocol, ours, and where we listen. From
    # here on print() is for nobody; the log is stderr.
    print("1", PROTOCOL, "unix", socket, "grpc", sep="|", flush=True)
    over.wait()
    server.stop(grace=1).wait()


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
