"""Whether MongoDB and RabbitMQ, as st2.conf names them, take a connection. Logs in nowhere. Python 2.7 and 3, any of them.

reach.py [CONF]   mongodb|rabbitmq HOST:PORT[,HOST:PORT...] WHY, a line for each of which no server answers
                  store HOST:PORT[,HOST:PORT...]/NAME, the database of MongoDB that is named
"""

import re
import socket
import sys
import threading

try:
    from configparser import Error, RawConfigParser
except ImportError:
    from ConfigParser import Error, RawConfigParser

PATIENCE = 3.0  # seconds for each server; all are asked at the same time
PORTS = {"mongodb": 27017, "rabbitmq": 5672, "amqps": 5671}


def addresses(kind, text):
    """(host, port) of every server that TEXT names: URLs or hosts, with commas; what stands before an @ is nobody's business."""
    found = []
    # A password may hold a comma: only one before another URL ends a URL.
    for url in re.split(r",\s*['\"]?(?=\w[\w+.-]*://)", text):
        scheme, _, rest = url.strip(" '\"").rpartition("://")
        port = PORTS.get(scheme.lower(), PORTS[kind])
        for word in rest.rpartition("@")[2].partition("/")[0].partition("?")[0].split(","):
            match = re.match(r"^(?:\[([^\]]+)\]|([^:\[\]]+))(?::(\d+))?$", word.strip(" '\""))
            if match:
                found.append((match.group(1) or match.group(2), int(match.group(3) or port)))
    return found


def settings(path):
    """What gives the value of an option in PATH, or another; None when it cannot be read."""
    parser = RawConfigParser()
    try:
        parser.read(path)
    except Error:
        return None
    return lambda section, option, otherwise: (
        parser.get(section, option).strip() if parser.has_option(section, option) else otherwise
    )


def servers(path):
    """(kind, addresses) of what st2 of this configuration needs, with the places that it takes where none is named."""
    value = settings(path)
    if value is None:
        return []
    mongodb = value("database", "host", "127.0.0.1") or "127.0.0.1"
    if "://" not in mongodb and not re.search(r":\d+$", mongodb):
        mongodb = "%s:%s" % (mongodb, value("database", "port", "27017") or "27017")
    url = value("messaging", "url", "") or "127.0.0.1"
    rabbitmq = value("messaging", "cluster_urls", "").strip("[] ") or url
    # A host that is found by a record of the DNS is not asked: the record is not the host.
    return [
        (kind, addresses(kind, text))
        for kind, text in (("mongodb", mongodb), ("rabbitmq", rabbitmq))
        if "+srv://" not in text
    ]


def attempt(address, failures):
    try:
        socket.create_connection(address, PATIENCE).close()
    except socket.timeout:
        failures[address] = "no answer in %d s" % PATIENCE
    except (socket.error, UnicodeError) as error:
        failures[address] = getattr(error, "strerror", None) or error.__class__.__name__


def main(conf="/etc/st2/st2.conf"):
    """Say which do not answer; one server of several is enough."""
    failures, asked = {}, servers(conf)
    threads = [(each, threading.Thread(target=attempt, args=(each, failures))) for _, places in asked for each in places]
    for _, thread in threads:
        thread.daemon = True
        thread.start()
    for address, thread in threads:
        thread.join(PATIENCE * 2)  # a resolver has a patience of its own
        if thread.is_alive():
            failures[address] = "no answer in %d s" % (PATIENCE * 2)
    for kind, places in asked:
        if kind == "mongodb" and places:
            names = ",".join(sorted("%s:%d" % each for each in places))
            print("store %s/%s" % (names, settings(conf)("database", "db_name", "st2")))
        if places and all(each in failures for each in places):
            where = ",".join("%s:%d" % each for each in places)
            print("%s %s %s" % (kind, where, failures[places[0]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
