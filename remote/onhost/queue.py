"""Look at a queue of st2's RabbitMQ, or delete it, through the kombu of st2's virtualenv. Python 2.7 and 3.

queue.py look       what of st2.notifiers.work is a concern, as KEY COUNT PLACE; nothing from 2.3 on, which does not read it
queue.py count NAME     its messages, a number; `absent` where there is no such queue
queue.py absent NAME    0 when there is no such queue, else 1
queue.py delete NAME    delete it, and say how many messages went with it

Looking declares passively: that makes no queue, takes no message and changes nothing. What several clients disagree about
is the class of their errors, not the code in it.
"""

import os
import re
import sys

try:
    from configparser import RawConfigParser
except ImportError:
    from ConfigParser import RawConfigParser

NOTIFIERS, GONE_IN = "st2.notifiers.work", (2, 3)
NOT_FOUND = 404
CONF = os.environ.get("STORMLIFT_CONF") or "/etc/st2/st2.conf"
SECONDS = 5


class Silent(Exception):
    """Nobody can be asked, and why."""


def settings():
    parser = RawConfigParser()
    parser.read(CONF)
    return dict(parser.items("messaging")) if parser.has_section("messaging") else {}


def urls(found):
    """The brokers in the order in which st2 tries them."""
    text = found.get("cluster_urls", "").strip("[] ") or found.get("url", "amqp://guest:guest@127.0.0.1:5672//")
    # A password may hold a comma: only one before another URL ends a URL.
    parts = re.split(r",\s*(?=['\"]?\w[\w+.-]*://)", text)
    return [url.strip(" '\"") for url in parts if url.strip(" '\"")]


def tls(found):
    """What st2 gives to kombu of its ssl options."""
    import ssl

    names = (("ssl_keyfile", "keyfile"), ("ssl_certfile", "certfile"), ("ssl_ca_certs", "ca_certs"))
    given = dict((name, found[option]) for option, name in names if found.get(option))
    wanted = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
    if found.get("ssl_cert_reqs"):
        given["cert_reqs"] = wanted.get(found["ssl_cert_reqs"].lower(), ssl.CERT_NONE)
    return given or found.get("ssl", "").lower() == "true"


def place(url):
    """Where a broker is, without who logs in there."""
    return url.rpartition("@")[2].rpartition("//")[2].strip("/") or "127.0.0.1"


def connected():
    """(connection, place) of the first broker that answers. Raises Silent."""
    try:
        from kombu import Connection
    except ImportError:
        raise Silent("st2's virtualenv has no kombu")
    found, said = settings(), []
    for url in urls(found):
        try:
            login = found.get("login_method") or None
            connection = Connection(url, ssl=tls(found), connect_timeout=SECONDS, login_method=login)
            connection.connect()
            return connection, place(url)
        except Exception as error:  # of every kombu its own; the URL holds a password, the error's words do not
            said.append("RabbitMQ at %s: %s" % (place(url), error or type(error).__name__))
    raise Silent("; ".join(said))


def counted(connection, name):
    """The messages of the queue NAME, None where there is none."""
    channel = connection.channel()
    try:
        return channel.queue_declare(queue=name, passive=True).message_count
    except Exception as error:
        if getattr(error, "code", getattr(error, "reply_code", None)) == NOT_FOUND:
            return None
        raise


def look():
    import st2common

    release = tuple(int(part) for part in re.findall(r"\d+", st2common.__version__)[:2])
    if release >= GONE_IN:
        return
    try:
        connection, where = connected()
        found = counted(connection, NOTIFIERS)
    except Exception as error:
        print("queue-unknown 1 %s" % " ".join(str(error).split()))
        return
    if found:
        print("queue-notifiers %d %s at %s" % (found, NOTIFIERS, where))


def main(what, name=""):
    if what == "look":
        look()
        return 0
    connection, where = connected()
    found = counted(connection, name)
    if what == "count":
        print("absent" if found is None else found)
    elif what == "absent" and found is not None:
        print("%s is there at %s, with %d messages" % (name, where, found))
        return 1
    elif what == "delete" and found is not None:
        connection.channel().queue_delete(queue=name)
        print("%s is deleted at %s, and %d messages with it" % (name, where, found))
    return 0


try:
    sys.exit(main(*sys.argv[1:]))
except Silent as error:
    print(error)
    sys.exit(1)
