"""What each release asks of whoever crosses it: one module a version, data only, oldest first."""

from migrations import v1_5, v2_1, v2_2

KNOWN_UNTIL = "2.2.1"
"""The last release whose steps stand here; a plan beyond it would leave out what it asks."""

ALL = (v1_5.MIGRATION, v2_1.MIGRATION, v2_2.MIGRATION)
