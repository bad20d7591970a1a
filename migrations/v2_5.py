"""StackStorm 2.5: the DC Fabric suite, and another spelling of Mistral's database URL."""

from rollout.model import Migration, Severity, asked

MIGRATION = Migration(
    release="2.5.0",
    title="DC Fabric suite 1.1.1; mistral.conf says postgresql+psycopg2",
    steps=(
        asked(
            "2.5.dc-fabric",
            "the Brocade DC Fabric suite",
            remedy="bring it to 1.1.1 or later where it is installed",
            why="earlier ones do not work with 2.5",
            source="st2docs upgrade_notes.rst, v2.5",
        ),
        asked(
            "2.5.mistral-conf-driver",
            "connection in mistral.conf",
            remedy="nothing to do: postgresql:// and postgresql+psycopg2:// both work",
            why="the packaged file says postgresql+psycopg2:// from 2.5 on, an edited one is kept as it is",
            severity=Severity.NOTE,
            needs="st2mistral",
            until="3.3.0",
            source="st2-packages packages/st2mistral@v2.5",
        ),
    ),
)
