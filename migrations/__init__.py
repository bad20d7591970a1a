"""What each release asks of whoever crosses it: one module a version, data only, oldest first."""

from migrations import (
    v1_5,
    v2_1,
    v2_2,
    v2_3,
    v2_4,
    v2_5,
    v2_7,
    v2_8,
    v2_9,
    v2_10,
    v3_0,
    v3_1,
    v3_2,
    v3_3,
    v3_4,
    v3_5,
    v3_6,
    v3_7,
    v3_8,
    v3_9,
)
from rollout.model import Migration

ALL: tuple[Migration, ...] = tuple(
    module.MIGRATION
    for module in (
        v1_5,
        v2_1,
        v2_2,
        v2_3,
        v2_4,
        v2_5,
        v2_7,
        v2_8,
        v2_9,
        v2_10,
        v3_0,
        v3_1,
        v3_2,
        v3_3,
        v3_4,
        v3_5,
        v3_6,
        v3_7,
        v3_8,
        v3_9,
    )
)
