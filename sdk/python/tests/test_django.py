"""Django's mail through the real backend."""

import os
import unittest

import django
from django.conf import settings

ADMIN = os.environ["POSTILION_TEST_ADMIN"]
settings.configure(EMAIL_BACKEND="postilion.django.EmailBackend", POSTILION={"target": ADMIN}, DEFAULT_FROM_EMAIL="Shop <shop@example.com>")
django.setup()

from django.core import mail  # noqa: E402

from postilion import Client, Error  # noqa: E402


class BackendTest(unittest.TestCase):
    def test_messages_arrive_as_composed(self):
        message = mail.EmailMultiAlternatives("By Django: Grüße", "text", to=["Jané <jane@example.org>"], bcc=["boss@example.org"], headers={"X-Kind": "receipt"})
        message.attach_alternative("<p>html</p>", "text/html")
        message.attach("a.txt", "text", "text/plain")
        self.assertEqual(mail.get_connection().send_messages([message, mail.EmailMessage("nobody", "x")]), 1)
        with Client(ADMIN) as client:
            stored = client.list_messages(limit=1, recipient="boss@example.org")[0]
        self.assertEqual((stored.subject, getattr(stored, "from")), ("By Django: Grüße", "shop@example.com"))

    def test_send_mail(self):
        self.assertEqual(mail.send_mail("One line", "text", None, ["jane@example.org"]), 1)

    def test_failures(self):
        away = mail.get_connection(target="/none/none.sock", timeout=0.3)
        with self.assertRaises(Error):
            mail.send_mail("x", "x", None, ["jane@example.org"], connection=away)
        silent = mail.get_connection(fail_silently=True, target="/none/none.sock", timeout=0.3)
        self.assertEqual(mail.send_mail("x", "x", None, ["jane@example.org"], connection=silent), 0)

    def test_a_setting_that_is_misspelt(self):
        with self.settings(POSTILION={"socket": "/x"}), self.assertRaises(ValueError):
            mail.get_connection()

    def settings(self, **changed):
        from django.test import override_settings
        return override_settings(**changed)


if __name__ == "__main__":
    unittest.main()
