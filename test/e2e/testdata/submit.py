"""Submits a message by Python's smtplib: HOST PORT CA USER PASSWORD SUBJECT."""
import smtplib
import ssl
import sys
from email.message import EmailMessage

host, port, ca, user, password, subject = sys.argv[1:]
message = EmailMessage()
message["From"] = "shop@shop.example"
message["To"] = "to@example.net"
message["Subject"] = subject
message.set_content("Grüße\n.\n..\nFrom here\n")
with smtplib.SMTP(host, int(port), timeout=60) as server:
    server.starttls(context=ssl.create_default_context(cafile=ca))
    server.login(user, password)
    refused = server.send_message(message)
    assert refused == {}, refused
    # What is refused leaves the session as it was.
    try:
        server.sendmail("shop@shop.example", ["a@b@c"], b"x")
        raise AssertionError("a bad recipient was accepted")
    except smtplib.SMTPRecipientsRefused as refusal:
        assert refusal.recipients["a@b@c"][0] == 501, refusal.recipients
    assert server.noop()[0] == 250
