"""An mbox file (RFC 4155, lines quoted as mboxrd has it)."""

import fcntl
import os
import re
import time

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


class Mbox:
    """Appends messages to a file. Other programs that lock it may read and write it too."""

    def __init__(self, path):
        self.path = path

    def probe(self):
        """Raises OSError if messages cannot be appended."""
        with open(self.path, "ab"):
            pass

    def append(self, sender, content):
        """Appends a message; when it returns, the message is on stable storage."""
        stamp = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
        lines = _FROM.sub(rb">\1", content.replace(b"\r\n", b"\n"))
        if not lines.endswith(b"\n"):
            lines += b"\n"
        with open(self.path, "ab", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX)  # between processes
            end = file.seek(0, os.SEEK_END)
            try:
                entry = b"From %s %s\n%s\n" % (sender.encode() or b"MAILER-DAEMON", stamp.encode(), lines)
                while entry:
                    entry = entry[file.write(entry):]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)  # half a message would spoil the next
                raise
