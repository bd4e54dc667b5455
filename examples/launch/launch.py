#!/usr/bin/python3
"""Has the daemon as its child and sends a mail: examples/launch/launch.py POSTILION DATA_DIR ADDRESS

What it does to launch the daemon is the same in every language; docs/launch.md tells the rest.
"""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk" / "python"))
from postilion import Client, Message  # noqa: E402

import grpc  # noqa: E402


def launch(program, data_dir):
    """Starts the daemon, and gives its process and its socket when it serves."""
    command = [program, "serve", "--data-dir", data_dir, "--grpc-listen", "off", "--http-listen", "off"]
    environment = {**os.environ, "POSTILION_SIDECAR": "daemon", "POSTILION_HOST_PID": str(os.getpid())}
    daemon = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              start_new_session=True)
    line = daemon.stdout.readline()
    if not line:
        sys.exit(f"the daemon has ended with {daemon.wait()}; its log says why")
    core, version, network, socket, protocol = line.rstrip("\n").split("|")[:5]
    assert (core, version, network, protocol) == ("1", "1", "unix", "grpc"), line
    return daemon, socket


def stop(daemon, channel):
    """Ends the daemon in order."""
    channel.unary_unary("/plugin.GRPCController/Shutdown")(b"")
    return daemon.wait(timeout=90)


def main(program, data_dir, address):
    daemon, socket = launch(program, data_dir)
    with Client(socket) as mail:
        receipt = mail.send(Message(sender="shop@example.com", to=[address], subject="Your order", text="Thank you.\n"), wait=30)
        print("sent by the daemon's process", daemon.pid, receipt.id, receipt.recipients[0].outcome.reply)
        print("the daemon has stopped with", stop(daemon, mail.channel))


if __name__ == "__main__":
    main(*sys.argv[1:])
