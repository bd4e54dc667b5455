"""Runs against a real daemon, whose sockets the environment names: see python_test.go."""

import email.message
import os
import tempfile
import unittest

import grpc

import postilion
from postilion import Attachment, Client, Error, Message, smtplib
from postilion.errors import _details
from postilion.v1 import connection_pb2, mailer_pb2, message_pb2

ADMIN = os.environ["POSTILION_TEST_ADMIN"]


def letter(**fields):
    return Message(**{"sender": ("shop@example.com", "Shöp"), "to": ["jane@example.org"], "subject": "Grüße", "text": "Hello\n", **fields})


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.client = Client(ADMIN)
        self.addCleanup(self.client.close)

    def stored(self, receipt):
        request = message_pb2.GetMessageRequest(id=receipt.id, view=message_pb2.MESSAGE_VIEW_CONTENT)
        return self.client.messages.GetMessage(request).message

    def test_a_message_is_accepted_once(self):
        message = letter(
            to=[("jane@example.org", "Jané, A."), "joe@example.org"], bcc=["boss@example.org"], html="<p>Hello</p>",
            attachments=[Attachment("a.txt", b"text", "text/plain")], headers={"X-Kind": "receipt"},
            list_unsubscribe=["https://example.com/leave"], one_click=True)
        receipt = self.client.send(message, idempotency_key="once", tags=["order"], metadata={"order": "1"}, keep_content=True, wait=30)
        self.assertFalse(receipt.replayed)
        self.assertEqual(self.client.send(message, idempotency_key="once", tags=["order"], metadata={"order": "1"}, keep_content=True).id, receipt.id)
        stored = self.stored(receipt)
        self.assertEqual([r.address for r in stored.recipients], ["jane@example.org", "joe@example.org", "boss@example.org"])
        self.assertEqual((stored.subject, list(stored.tags), stored.metadata["order"]), ("Grüße", ["order"], "1"))
        for text in (b"X-Kind: receipt", b"List-Unsubscribe-Post:", b"multipart/alternative", b"filename=a.txt"):
            self.assertIn(text, stored.content)
        self.assertNotIn(b"boss@example.org", stored.content)
        self.assertEqual(self.client.message(receipt.id).id, receipt.id)
        self.assertIn(receipt.id, [m.id for m in self.client.list_messages(tag="order")])

    def test_raw_content_keeps_its_envelope(self):
        receipt = self.client.send_raw(b"From: a@example.com\nTo: list@example.org\nSubject: raw\n\nx\n", sender="", recipients=["real@example.org"])
        stored = self.client.message(receipt.id)
        self.assertEqual([r.address for r in stored.recipients], ["real@example.org"])

    def test_a_field_at_fault_is_named(self):
        with self.assertRaises(Error) as caught:
            self.client.send(letter(to=["jane@example.org", "no address"]))
        self.assertEqual(caught.exception.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(caught.exception.fields, ["message.to[1].address"])
        self.assertTrue(caught.exception.remedy or caught.exception.message)
        self.assertFalse(caught.exception.temporary)
        with self.assertRaises(TypeError):
            letter(to="jane@example.org").to_proto()
        with self.assertRaises(OSError):
            Attachment.from_file("/no/such/file")

    def test_a_key_for_another_message(self):
        self.client.send(letter(), idempotency_key="two")
        with self.assertRaises(Error) as caught:
            self.client.send(letter(subject="another"), idempotency_key="two")
        self.assertEqual(caught.exception.code, grpc.StatusCode.ALREADY_EXISTS)

    def test_a_connection_is_configured_and_tested(self):
        answer = self.client.configure(connection_pb2.Connection(
            name="kept", custom=connection_pb2.CustomSettings(transport="capture")), set_default=False)
        self.assertTrue(answer.created)
        self.assertTrue(self.client.test_connection("kept").ok)
        with self.assertRaises(Error) as caught:
            self.client.test_connection("none")
        self.assertEqual(caught.exception.code, grpc.StatusCode.NOT_FOUND)

    def test_events_come(self):
        receipt = self.client.send(letter(subject="watched"))
        for event in self.client.events(after_sequence=0):
            if event.id == receipt.id and event.type == message_pb2.EVENT_TYPE_SENT:
                break

    def test_a_wrong_token(self):
        with Client(os.environ["POSTILION_TEST_ADDRESS"], token="wrong") as client:
            with self.assertRaises(Error) as caught:
                client.send(letter())
            self.assertEqual(caught.exception.code, grpc.StatusCode.UNAUTHENTICATED)

    def test_the_public_socket_needs_no_token(self):
        with Client(os.environ["POSTILION_TEST_SOCKET"].replace(".sock", "-http.sock")) as client:
            self.assertEqual(client.server_info().client, "local")

    def test_no_daemon(self):
        with tempfile.TemporaryDirectory() as folder, Client(folder + "/none.sock", timeout=0.5) as client:
            with self.assertRaises(Error) as caught:
                client.send(letter())
            self.assertIn(caught.exception.code, (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED))
            self.assertTrue(caught.exception.temporary)

    def test_a_token_does_not_travel_in_the_clear(self):
        with self.assertRaises(ValueError):
            Client("mail.example.com:9125", token="secret")
        with self.assertRaises(ValueError):
            Client("nonsense")

    def test_a_forked_process_has_a_connection_of_its_own(self):
        client = Client(ADMIN)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                client.send(letter(subject="from a child"))
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_details_that_are_cut_off(self):
        self.assertEqual(list(_details(b"\x1a\x7f\x0a")), [])
        self.assertEqual(list(_details(b"\xff" * 20)), [])


class SMTPTest(unittest.TestCase):
    def test_a_message_object(self):
        message = email.message.EmailMessage()
        message["From"], message["To"], message["Bcc"], message["Subject"] = "Shop <shop@example.com>", "Jané <jane@example.org>", "boss@example.org", "By smtplib"
        message.set_content("Grüße\n")
        client = Client(ADMIN)
        self.addCleanup(client.close)
        with smtplib.SMTP("localhost", 25, client=client) as server:
            server.starttls()
            server.login("user", "password")
            self.assertEqual(server.send_message(message), {})
        stored = client.list_messages(limit=1, recipient="boss@example.org")[0]
        self.assertEqual((stored.subject, sorted(r.address for r in stored.recipients)), ("By smtplib", ["boss@example.org", "jane@example.org"]))

    def test_failures_are_those_of_smtplib(self):
        with smtplib.SMTP(client=Client(ADMIN)) as server:
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                server.sendmail("a@example.com", [], b"To: b@example.com\nSubject: x\n\nx\n")
            with self.assertRaises(smtplib.SMTPDataError):
                server.sendmail("a@example.com", ["no address"], b"Subject: x\n\nx\n")
        with smtplib.SMTP(client=Client("/none/none.sock", timeout=0.3)) as server:
            with self.assertRaises(smtplib.SMTPServerDisconnected):
                server.sendmail("a@example.com", ["b@example.com"], b"Subject: x\n\nx\n")


if __name__ == "__main__":
    unittest.main()
