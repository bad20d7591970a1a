"""Ask st2's API on this host, over one connection that is kept; it never logs in. Python 2.7 and 3.

Credentials are, in this order: ST2_AUTH_TOKEN and ST2_API_KEY, and of root's own st2 client the api_key of its
configuration, then the token that it has kept from its last login. With a password alone nobody is asked: logging in would
write a token into st2's database.
"""

import io
import json
import os
import re
import socket

try:
    from configparser import Error, RawConfigParser
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit
except ImportError:
    from ConfigParser import Error, RawConfigParser
    from httplib import HTTPConnection, HTTPException, HTTPSConnection
    from urlparse import urlsplit

API = os.environ.get("STORMLIFT_API") or "http://127.0.0.1:9101"
CLIENT = os.environ.get("STORMLIFT_CLIENT") or "/root/.st2"
SECONDS = 10
NOT_LET_IN = (401, 403)


class Refused(Exception):
    """An answer that is no success: its status, and the API's own words, which may quote what was asked."""

    def __init__(self, status, words):
        Exception.__init__(self, "the API answers %d" % status)
        self.status, self.words = status, words


class Silence(Exception):
    """No answer, and why."""


def credentials():
    """Headers, one after the other: the first that is let in counts."""
    found = [{}]  # a st2 without authentication asks nobody
    given = (("X-Auth-Token", "ST2_AUTH_TOKEN"), ("St2-Api-Key", "ST2_API_KEY"))
    told = [{header: sendable(os.environ[name])} for header, name in given if os.environ.get(name)]
    if told:
        return found + told
    found += [{"St2-Api-Key": sendable(key)} for key in [client_key()] if key]
    for name in sorted(os.listdir(CLIENT)) if os.path.isdir(CLIENT) else ():
        if name.startswith("token-"):
            try:
                with open(os.path.join(CLIENT, name)) as file:
                    found.append({"X-Auth-Token": sendable(json.load(file)["token"])})
            except (EnvironmentError, ValueError, KeyError, TypeError):  # the client makes it anew as well
                continue
    return found


def client_key():
    """The api_key of root's client, or "": a file that the client itself cannot read has none. No error's text is said: it quotes
    the line."""
    try:
        parser = RawConfigParser(strict=False)
    except TypeError:  # Python 2.7 is never strict
        parser = RawConfigParser()
    try:
        with io.open(os.path.join(CLIENT, "config"), encoding="utf-8", errors="replace") as conf:
            getattr(parser, "read_file", getattr(parser, "readfp", None))(conf)
    except (EnvironmentError, Error):
        return ""
    return parser.get("credentials", "api_key") if parser.has_option("credentials", "api_key") else ""


def sendable(word):
    """WORD as the value of a header, or Silence: the library that would refuse it quotes it."""
    word = word.strip()
    if not re.match(r"[\x21-\x7e]+\Z", word):
        raise Silence("the credentials for st2's API are not one word of plain characters")
    return str(word)


class Api(object):
    """The API. No proxy of the host's sees the credentials: this stays on the host."""

    def __init__(self, url=None, seconds=SECONDS):
        where = urlsplit(url or API)
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        self._link = kind(where.hostname, where.port, timeout=seconds)
        self._root = where.path.rstrip("/")
        self.headers = {}

    def let_in(self, path):
        """Whether the API lets us look at PATH with some of the credentials, which are used from then on."""
        for headers in credentials():
            self.headers = headers
            try:
                self.ask("GET", path)
                return True
            except Refused as error:
                if error.status not in NOT_LET_IN:
                    raise
        return False

    def ask(self, method, path, body=None):
        """(headers, data) of a success. Raises Refused, Silence.

        A kept connection may have been closed meanwhile, so a request that got no answer is sent once more: what is asked for
        here may be asked for twice.
        """
        text = None if body is None else json.dumps(body).encode("ascii")
        headers = dict(self.headers)
        if text is not None:
            headers["Content-Type"] = "application/json"
        for last in (False, True):
            try:
                self._link.request(method, self._root + path, text, headers)
                answer = self._link.getresponse()
                data = answer.read()
                break
            except (HTTPException, socket.error) as error:
                self._link.close()
                if last:
                    raise Silence("st2's API does not answer on this host: %s" % (error or type(error).__name__))
        return self._read(answer, data)

    def _read(self, answer, data):
        try:
            found = json.loads(data.decode("utf-8")) if data else None
        except ValueError:
            found = None
            if answer.status < 300:
                raise Silence("st2's API on this host answers what is no JSON")
        if answer.status >= 300:
            words = found.get("faultstring") if isinstance(found, dict) else ""
            raise Refused(answer.status, words if isinstance(words, type(u"")) else u"")
        return answer, found
