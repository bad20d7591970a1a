"""Configuration of every st2 program: INI files named by --config-file, and nothing else before 2.8."""

import argparse
import sys
from collections.abc import Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from st2common import traits


class ConfigFilesNotFoundError(Exception):
    """oslo.config's error for a --config-file that is not there."""


@dataclass(frozen=True)
class Database:
    """Where the datastore is. The defaults are an open database on this host, as those of the real st2."""

    host: str = "127.0.0.1"
    port: int = 5432
    db_name: str = "st2"
    username: str | None = None
    password: str | None = None
    # Minutes that a service or script goes on trying to connect.
    connection_retry_max_delay_m: float = 3


class Config:
    """The options that were read; unread ones have the defaults of the code."""

    def __init__(self) -> None:
        self._parser = RawConfigParser()

    def read(self, files: Sequence[str]) -> None:
        """Start anew from FILES."""
        missing = [name for name in files if not Path(name).is_file()]
        if missing:
            raise ConfigFilesNotFoundError(f"Failed to find some config files: {','.join(missing)}")
        self._parser = RawConfigParser()
        self._parser.read(files)

    def get(self, section: str, option: str, default: str) -> str:
        """One option as text."""
        return self._parser.get(section, option, fallback=default)

    @property
    def database(self) -> Database:
        """The section [database]."""
        plain = Database()
        return Database(
            host=self.get("database", "host", plain.host),
            port=int(self.get("database", "port", str(plain.port))),
            db_name=self.get("database", "db_name", plain.db_name),
            username=self.get("database", "username", "") or None,
            password=self.get("database", "password", "") or None,
            connection_retry_max_delay_m=float(self.get("database", "connection_retry_max_delay_m", "3")),
        )


CONF = Config()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every st2 program takes."""
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH")
    parser.add_argument("--debug", "-d", action="store_true")
    parser.add_argument("--verbose", "-v", action="store_true")


def parse_args(args: Sequence[str] | None = None) -> None:
    """Read the command line (ARGS, else this process's) into CONF, as st2common.config does."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    found = parser.parse_args(sys.argv[1:] if args is None else list(args))
    CONF.read(found.config_file or list(traits.DEFAULT_CONFIG_FILES))
