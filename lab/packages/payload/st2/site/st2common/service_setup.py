"""Connect a program to the datastore, and disconnect it."""

from st2lab.store import Store

from st2common.config import CONF

_current: list[Store] = []


def db_setup() -> Store:
    """Connect to the database that the configuration names (st2common.service_setup.db_setup)."""
    db_teardown()
    store = Store(CONF.database)
    store.open()
    _current.append(store)
    return store


def db_teardown() -> None:
    """Close the connection."""
    while _current:
        _current.pop().close()


def current_store() -> Store:
    """The store that db_setup opened."""
    if not _current:
        raise RuntimeError("db_setup() was not called")
    return _current[-1]
