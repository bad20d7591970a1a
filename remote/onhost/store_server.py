"""How st2's MongoDB is reached, as st2.conf says it, by pymongo. Python 2.7 and 3, in st2's virtualenv.

[database] of st2.conf, as st2 and its MongoEngine take it: `host` may be a URL, whose database, user and options come first.
The options of TLS have their old names up to 3.8 (st2common/config.py), and any file among them means TLS.
"""

import io
import os
import re
import ssl

try:
    from configparser import Error, RawConfigParser
    from urllib.parse import quote
except ImportError:
    from ConfigParser import Error, RawConfigParser
    from urllib import quote

CONF = os.environ.get("STORMLIFT_CONF") or "/etc/st2/st2.conf"
SECONDS = 5
_UNAUTHORIZED, _NO_LOGIN = 13, 18  # MongoDB's codes of errors
NO_WORD = ("MONGODB-X509", "GSSAPI")  # ways to log in without a password


class Unusable(Exception):
    """The database cannot be used, and why: `cause` is settings, library, unreachable, login or rights."""

    def __init__(self, cause, text):
        Exception.__init__(self, text)
        self.cause = cause


class Wrong(Exception):
    """What is not as it must be, in words."""


# --- what st2.conf says --------------------------------------------------------------------------------------


def options_of(path, section="database"):
    """What gives the value of an option of a section of st2.conf, or "". Raises Unusable."""
    try:
        parser = RawConfigParser(strict=False)  # what stands twice counts as it does for st2: the last one
    except TypeError:  # Python 2.7 is never strict
        parser = RawConfigParser()
    try:
        with io.open(path, encoding="utf-8", errors="replace") as conf:
            getattr(parser, "read_file", getattr(parser, "readfp", None))(conf)
    except EnvironmentError as error:
        raise Unusable("settings", "%s cannot be read: %s" % (path, error.strerror))
    except Error:  # its text quotes the line, and that may hold the password
        raise Unusable("settings", "%s is not what a configuration file looks like" % path)
    return lambda name: parser.get(section, name).strip() if parser.has_option(section, name) else ""


def true(text):
    return text.lower() in ("true", "1", "yes", "on")


class Way(object):
    """The way to the database.

    servers      (host, port) of each
    db           the database's name
    user, password, source, mechanism   the login, and the database that knows it
    tls          what there is of: ca, cert, key, any_cert, any_host, word; {} without TLS
    """

    def __init__(self, path=CONF):
        value = options_of(path)
        host = value("host") or "127.0.0.1"
        port = value("port") or "27017"
        if not port.isdigit():
            raise Unusable("settings", "[database] port is no number")
        self.servers, self.db = servers_of(host, int(port)), value("db_name") or "st2"
        self.user, self.password = value("username"), value("password")
        self.mechanism, self.source, self.replica_set = value("authentication_mechanism"), "", ""
        self.tls = tls_of(value)
        if "://" in host:
            self._take(host)
        if self.mechanism in NO_WORD:
            self.source = self.source or "$external"

    def _take(self, url):
        """What a URL says comes before the rest."""
        from pymongo import uri_parser

        # An old pymongo takes what stands behind an @ or a / in a password for a host; a new one quotes it.
        who, _, where = re.sub("[?]", "/", url.partition("://")[2]).partition("/")
        try:
            if who.count("@") > 1 or "@" in where:
                raise ValueError
            told = uri_parser.parse_uri(url)
        except Exception:
            raise Unusable("settings", "[database] host is a URL that cannot be read: is a character in it not escaped?")
        given = dict((name.lower(), option) for name, option in dict(told.get("options") or {}).items())
        self.servers, self.db = list(told["nodelist"]), told.get("database") or self.db
        if told.get("username"):
            self.user, self.password = told["username"], told.get("password") or ""
        self.source, self.replica_set = given.get("authsource", ""), given.get("replicaset", "")
        self.mechanism = given.get("authmechanism", self.mechanism)
        if given.get("ssl") or given.get("tls"):
            self.tls = self.tls or {"ca": "", "cert": "", "key": "", "any_cert": False, "any_host": False, "word": ""}
            self.tls["ca"] = given.get("ssl_ca_certs") or given.get("tlscafile") or self.tls["ca"]
            self.tls["cert"] = given.get("ssl_certfile") or given.get("tlscertificatekeyfile") or self.tls["cert"]
            self.tls["any_cert"] = bool(given.get("tlsallowinvalidcertificates") or self.tls["any_cert"])

    @property
    def places(self):
        return ",".join(("[%s]:%s" if ":" in host else "%s:%s") % (host, port) for host, port in self.servers)

    def hidden(self, text):
        """TEXT on one line, without the password in any form."""
        text = text if isinstance(text, type(u"")) else text.decode("utf-8", "replace")
        words = [word for word in (self.password, quote(utf8(self.password), safe=""), self.tls.get("word")) if word]
        if words:
            text = re.sub("|".join(re.escape(word) for word in words), "[secret]", text)
        return " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")


def servers_of(text, port):
    """(host, port) of each of the hosts in TEXT, as pymongo takes it where it is no URL; an address of IPv6 may stand bare."""
    found = [re.match(r"^(?:\[([^\]]+)\]|([^:\[\]]+))(?::(\d+))?$", word.strip()) for word in text.split(",")]
    if not all(found):
        return [(text.strip("[]"), port)]
    return [(each.group(1) or each.group(2), int(each.group(3) or port)) for each in found]


def tls_of(value):
    """The options of TLS, by their names up to 3.8 and from 3.9 on; {} where none is set."""
    found = {
        "ca": value("tls_ca_file") or value("ssl_ca_certs"),
        "cert": value("tls_certificate_key_file") or value("ssl_certfile"),
        "key": value("ssl_keyfile"),
        "any_cert": true(value("tls_allow_invalid_certificates")) or value("ssl_cert_reqs").lower() == "none",
        "any_host": true(value("tls_allow_invalid_hostnames")) or value("ssl_match_hostname").lower() in ("false", "0", "no"),
        "word": value("tls_certificate_key_file_password"),
    }
    wanted = true(value("ssl")) or true(value("tls")) or found["ca"] or found["cert"] or found["key"]
    return found if wanted else {}


def utf8(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


# --- through pymongo -----------------------------------------------------------------------------------------


def client_of(way, login=True, patience=None):
    """A client of the server; PATIENCE in seconds is for every answer. Raises Unusable.

    Without an authSource the login is looked up where MongoEngine does: in the database, through pymongo 4 in `admin`.
    Whichever knows it is the source from then on, for the tools as well.
    """
    try:
        import pymongo
    except ImportError as error:
        raise Unusable("library", "st2's virtualenv has no pymongo: %s" % error)
    major = pymongo.version_tuple[0]
    options = {"connectTimeoutMS": SECONDS * 1000}
    if way.replica_set:
        options["replicaSet"] = way.replica_set
    if major >= 3:
        options["serverSelectionTimeoutMS"] = SECONDS * 1000
    if patience:
        options["socketTimeoutMS"] = patience * 1000
    options.update(tls_options(way.tls, major))
    with speaking(way):
        if not (login and way.user):
            return pymongo.MongoClient("mongodb://%s/" % way.places, **options)
        sources = [way.source] if way.source else ["admin", way.db] if major >= 4 else [way.db, "admin"]
        for source in sources:
            try:
                client = pymongo.MongoClient(url_of(way, source), **options)
                client[way.db].command("ping")
                way.source = source
                return client
            except pymongo.errors.PyMongoError as error:
                if source == sources[-1] or not refused(error):
                    raise


def url_of(way, source):
    """The URL of a login that SOURCE knows; no process but this one sees it."""
    word = ":" + quote(utf8(way.password), safe="") if way.password and way.mechanism not in NO_WORD else ""
    mechanism = "&authMechanism=" + way.mechanism if way.mechanism else ""
    parts = (quote(utf8(way.user), safe=""), word, way.places, quote(utf8(source), safe=""), mechanism)
    return "mongodb://%s%s@%s/?authSource=%s%s" % parts


def tls_options(tls, major):
    """The options of TLS as this pymongo calls them: 4 knows only the new names."""
    if not tls:
        return {}
    if major < 4:
        named = {"ssl": True, "ssl_ca_certs": tls["ca"], "ssl_certfile": tls["cert"], "ssl_keyfile": tls["key"]}
        named["ssl_pem_passphrase"] = tls["word"]
        if tls["any_cert"]:
            named["ssl_cert_reqs"] = ssl.CERT_NONE
        elif tls["any_host"]:
            named["ssl_match_hostname"] = False
        return dict((name, value) for name, value in named.items() if value not in ("", None))
    named = {"tls": True, "tlsCAFile": tls["ca"], "tlsCertificateKeyFile": tls["cert"]}
    named.update(tlsCertificateKeyFilePassword=tls["word"])
    named.update(tlsAllowInvalidCertificates=tls["any_cert"], tlsAllowInvalidHostnames=tls["any_host"])
    return dict((name, value) for name, value in named.items() if value)


class speaking(object):
    """A context in which every error of pymongo's becomes Unusable, with its cause and without the password."""

    def __init__(self, way):
        self.way = way

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        from pymongo import errors

        if kind is None or not issubclass(kind, errors.PyMongoError):
            return False
        text = self.way.hidden(str(error)).partition(", Timeout:")[0][:400]
        if refused(error):
            cause = "login" if getattr(error, "code", None) == _NO_LOGIN or "uthentication failed" in text else "rights"
            raise Unusable(cause, "MongoDB at %s refuses: %s" % (self.way.places, text))
        if issubclass(kind, errors.ConnectionFailure):
            raise Unusable("unreachable", "MongoDB at %s does not answer: %s" % (self.way.places, text))
        raise Unusable("settings", "MongoDB at %s: %s" % (self.way.places, text))


def refused(error):
    """True when the server says that whoever asks may not. Before 2.6 it says so in words alone."""
    if getattr(error, "code", None) in (_UNAUTHORIZED, _NO_LOGIN):
        return True
    return bool(re.search(r"not authorized|unauthorized|auth fail|[Aa]uthentication failed", str(error)))
