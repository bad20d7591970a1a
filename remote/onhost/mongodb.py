"""The release of st2's MongoDB, asked through st2's own client library. Runs in st2's virtualenv, Python 2.7 and 3.

Prints `mongodb RELEASE`; the server tells it before anybody logs in.
"""

import io
import sys

import pymongo

try:
    from configparser import RawConfigParser
except ImportError:
    from ConfigParser import RawConfigParser

try:
    parser = RawConfigParser(strict=False)  # what stands twice counts as it does for st2: the last one
except TypeError:  # Python 2.7 is never strict
    parser = RawConfigParser()
with io.open(sys.argv[1] if len(sys.argv) > 1 else "/etc/st2/st2.conf", encoding="utf-8", errors="replace") as conf:
    getattr(parser, "read_file", getattr(parser, "readfp", None))(conf)


def value(option, otherwise):
    return parser.get("database", option).strip() if parser.has_option("database", option) else otherwise


host = value("host", "127.0.0.1")
where = host if "://" in host else "mongodb://%s:%s/" % (host, value("port", "27017"))
tls = {}
if "true" in (value("ssl", "").lower(), value("tls", "").lower()):
    tls = {"ssl": True}
client = pymongo.MongoClient(where, serverSelectionTimeoutMS=5000, connectTimeoutMS=5000, socketTimeoutMS=5000, **tls)
print("mongodb %s" % client.server_info()["version"])
