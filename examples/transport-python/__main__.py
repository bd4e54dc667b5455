"""A transport of Postilion that writes messages to an mbox file.

    examples/transport-python/build.sh bin/transport-python
    postilion plugins add --write /srv/mail "$PWD/bin/transport-python"
    postilion configure archive --transport mbox --setting file=/srv/mail/archive
"""

import os
import secrets
import sys
import threading
import traceback

import grpc

import goplugin
from mbox import Mbox
from postilion.plugin.v1 import plugin_pb2 as api
from postilion.plugin.v1 import plugin_pb2_grpc

FIELDS = [
    api.Field(
        name="file", type=api.FIELD_TYPE_STRING, label="File", required=True,
        help="The mbox file to which messages are added, as an absolute path. It is made if it is not there.",
    ),
]


class SettingError(Exception):
    """A setting that cannot be taken: its field, and what to do about it."""


class Cancelled(Exception):
    """The daemon wants the delivery to end."""


def decode(request):
    """Gives the settings of an OpenRequest, once they are what FIELDS say."""
    known = {field.name: field for field in FIELDS}
    values = dict(request.values)
    for name in values:
        if name not in known:
            raise SettingError(name, "there is no such setting")
    for name in request.secrets:
        raise SettingError(name, "there is no such secret")
    for name, field in known.items():
        value = values.get(name)
        if value is None or value == "":
            if field.required:
                raise SettingError(name, "is required")
        elif not isinstance(value, str):
            raise SettingError(name, "must be a string")
    if not os.path.isabs(values["file"]):
        raise SettingError("file", "must be an absolute path, such as /var/mail/archive")
    return values


def trouble(error):
    """The outcome of a file that could not be written, which no message can help."""
    return api.Outcome(
        **{"class": api.OUTCOME_CLASS_TEMPORARY}, blame=api.BLAME_SERVER, phase="data", enhanced_code="4.3.0",
        reply=f"the message could not be written: {error.strerror}", inferred=True,
    )


def accepted(file):
    return api.Outcome(**{"class": api.OUTCOME_CLASS_ACCEPTED}, phase="content", reply=f"added to {file.path}")


class Transport(plugin_pb2_grpc.TransportServiceServicer):
    """Serves postilion.plugin.v1.TransportService; its comments say what is expected."""

    def __init__(self):
        self._instances = {}
        self._writing = threading.Lock()  # fcntl's locks do not hold between threads

    def Describe(self, request, context):
        return api.DescribeResponse(
            name="mbox", version="1", title="Mbox file", fields=FIELDS,
            capabilities=api.Capabilities(reports_commit=True, sends_nothing=True),
            limits=api.Limits(concurrency=16),
        )

    def Open(self, request, context):
        try:
            settings = decode(request)
        except SettingError as error:
            field, reason = error.args
            return api.OpenResponse(setting_error=api.SettingError(field=field, reason=reason))
        name = secrets.token_hex(16)
        self._instances[name] = Mbox(settings["file"])
        return api.OpenResponse(instance=name)

    def Close(self, request, context):
        self._find(request.instance, context)
        self._instances.pop(request.instance, None)
        return api.CloseResponse()

    def Check(self, request, context):
        file = self._find(request.instance, context)
        try:
            file.probe()
            yield api.CheckResponse(stage=api.Stage(
                name="file", status=api.STAGE_STATUS_PASSED, detail=f"messages are added to {file.path}"))
            if request.HasField("message"):
                self._append(file, request.message, request.content)
                yield api.CheckResponse(stage=api.Stage(
                    name="content", status=api.STAGE_STATUS_PASSED, detail="the message was added"))
        except OSError as error:
            yield api.CheckResponse(stage=api.Stage(
                name="file", status=api.STAGE_STATUS_FAILED, detail=str(error), outcome=trouble(error)))

    def Deliver(self, requests, context):
        first = next(requests)
        delivery = first.delivery
        file = self._find(delivery.instance, context)
        try:
            content = self._content(first, requests, delivery.size)
            yield api.DeliverResponse(committing=api.Committing())
            self._permission(requests)
            self._append(file, delivery, content)
            outcomes = [accepted(file)] * len(delivery.envelope.recipients)
            yield self._result(outcomes=outcomes)
        except Cancelled as error:
            yield self._result(failure=api.Failure(message=str(error)))
        except OSError as error:
            yield self._result(failure=api.Failure(message=str(error), outcome=trouble(error)))
        except Exception:  # a mistake of ours: the daemon is to know
            traceback.print_exc()
            yield self._result(failure=api.Failure(message=traceback.format_exc(limit=-1), crashed=True))

    def _find(self, name, context):
        file = self._instances.get(name)
        if file is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "instance: there is none of this name; open it")
        return file

    def _append(self, file, delivery, content):
        with self._writing:
            file.append(getattr(delivery.envelope, "from"), content)

    @staticmethod
    def _content(message, requests, size):
        """Collects the content, which comes in parts."""
        content = bytearray()
        while True:
            if message.HasField("cancel"):
                raise Cancelled("the delivery was cancelled")
            content += message.content
            if len(content) >= size:
                return bytes(content)
            message = next(requests)

    @staticmethod
    def _permission(requests):
        """Waits for the answer to committing."""
        for message in requests:
            if message.HasField("cancel"):
                raise Cancelled("the delivery was cancelled")
            if message.HasField("commit_answer"):
                if not message.commit_answer.go:
                    raise Cancelled(message.commit_answer.reason or "the daemon does not let the message go")
                return
        raise Cancelled("the daemon gave no answer to committing")

    @staticmethod
    def _result(**fields):
        return api.DeliverResponse(result=api.DeliverResult(**fields))


def main():
    goplugin.serve(lambda server: plugin_pb2_grpc.add_TransportServiceServicer_to_server(Transport(), server))


if __name__ == "__main__":
    sys.exit(main())
