"""mongodump and mongorestore: which releases are there, and how they log in. Python 2.7 and 3.

The password goes to a tool on its standard input: both tools ask for one when a user is named and no password is, and read
a line where that is no terminal (mongo-tools, common/password/password.go, in 3.0 and in 100.x; the older one dies of an
input without a line's end). No --config, which only 100.x has, and no --uri, in which the password would stand.
"""

import os
import re
import subprocess
import sys
import tempfile

from store_server import NO_WORD, Wrong, utf8

# What ends or edits a line where the tools read one.
_UNTYPABLE = re.compile(u"[\x00\x03\x04\x08\n\r\x7f]")


def release_of(tool):
    """The release of mongodump or mongorestore; "" where it is not there."""
    found = re.search(r"version:?\s+r?(\d[\w.+-]*)", said_by(tool, "--version"))
    return found.group(1) if found else ""


def said_by(*command):
    """What a program prints, "" where it cannot be run."""
    try:
        with open(os.devnull, "r+") as nowhere:
            process = subprocess.Popen(command, stdin=nowhere, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except EnvironmentError:
        return ""
    return process.communicate()[0].decode("utf-8", "replace")


def run_tool(way, tool, *words):
    """Run mongodump or mongorestore with WORDS; it tells itself, on stderr, why it fails. Raises Wrong."""
    if _UNTYPABLE.search(way.password if not isinstance(way.password, bytes) else way.password.decode("utf-8", "replace")):
        raise Wrong("the password of [database] has a control character, which cannot be told to %s" % tool)
    if way.tls.get("word"):
        raise Wrong("the key of [database] tls_certificate_key_file has a password, which cannot be told to %s" % tool)
    with joined(way.tls) as pem:
        command = [tool, "--host=%s" % (way.replica_set + "/" + way.places if way.replica_set else way.places)]
        command += login_words(way) + tls_words(way.tls, pem) + list(words)
        sys.stdout.flush()
        try:
            process = subprocess.Popen([utf8(word) for word in command], stdin=subprocess.PIPE, cwd="/")
        except OSError as error:
            raise Wrong("%s cannot be run: %s" % (tool, error.strerror))
        try:
            process.stdin.write(utf8(way.password) + b"\n" if asks(way) else b"")
            process.stdin.close()
        except EnvironmentError:  # it has ended already, and said why
            pass
        code = process.wait()
    if code:
        raise Wrong("%s ended with exit code %d" % (tool, code) if code > 0 else "%s was ended by signal %d" % (tool, -code))


def asks(way):
    """True when a tool asks for a password (mongo-tools, Auth.ShouldAskForPassword)."""
    return bool(way.user) and way.mechanism not in NO_WORD


def login_words(way):
    """The flags of the login, of which the password is none."""
    words = ["--username=%s" % way.user, "--authenticationDatabase=%s" % way.source] if way.user else []
    return words + (["--authenticationMechanism=%s" % way.mechanism] if way.mechanism else [])


def tls_words(tls, pem):
    """The flags of TLS, by the names that all tools know."""
    if not tls:
        return []
    words = ["--ssl"] + (["--sslCAFile=%s" % tls["ca"]] if tls["ca"] else []) + (["--sslPEMKeyFile=%s" % pem] if pem else [])
    words += ["--sslAllowInvalidCertificates"] if tls["any_cert"] else []
    return words + (["--sslAllowInvalidHostnames"] if tls["any_host"] else [])


class joined(object):
    """The client's key and certificate as the one file that the tools want; "" without any. It goes with the context."""

    def __init__(self, tls):
        self.tls, self.made = tls, None

    def __enter__(self):
        cert, key = self.tls.get("cert", ""), self.tls.get("key", "")
        if not (cert and key and cert != key):
            return cert or key
        self.made = tempfile.NamedTemporaryFile(suffix=".pem")  # root's alone: mode 0600
        try:
            for each in (key, cert):
                with open(each, "rb") as opened:
                    self.made.write(opened.read() + b"\n")
        except EnvironmentError as error:
            self.made.close()
            raise Wrong("%s cannot be read: %s" % (each, error.strerror))
        self.made.flush()
        return self.made.name

    def __exit__(self, *_):
        if self.made:
            self.made.close()
