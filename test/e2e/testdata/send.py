"""gRPC with Debian's grpcio and stubs as protoc makes them: send.py SUBJECT DOMAIN FILE SOCKET STUBS"""

import sys

import grpc

subject, domain, file, socket, stubs = sys.argv[1:]
sys.path.insert(0, stubs)

from postilion.v1 import mailer_pb2 as mailer, mailer_pb2_grpc, message_pb2 as message

with open(file, "rb") as opened:
    content = opened.read()
request = mailer.SendRequest(
    message=mailer.StructuredMessage(
        to=[mailer.Address(address=f"to@{domain}", name="Grüße")],
        cc=[mailer.Address(address=f"copy@{domain}")],
        bcc=[mailer.Address(address=f"hidden@{domain}")],
        subject=subject,
        text="Grüße an Zoë — 日本\n.\nEnde\n",
        html="<p>Grüße an Zoë — 日本</p>",
        attachments=[mailer.Attachment(filename="Rechnung für Zoë.bin", content=content)],
        **{"from": mailer.Address(address="from@shop.example", name="Lädchen")},
    ),
)
request.wait.FromSeconds(50)
with grpc.insecure_channel(f"unix:{socket}") as channel:
    answer = mailer_pb2_grpc.MailerServiceStub(channel).Send(request, timeout=60)
assert answer.state == message.MESSAGE_STATE_SENT, answer
