"""The namespace that `invoke` loads; the tasks live in tasks/."""

from pathlib import Path

# Invoke takes this file before the package beside it; a module with a __path__ is that package.
__path__ = [str(Path(__file__).with_suffix(""))]

from invoke.collection import Collection

from tasks import (
    backup_fetch,
    backup_prune,
    backups,
    config,
    content,
    dev,
    health,
    inventories,
    lab,
    locks,
    migrations,
    mistral,
    path,
    pause,
    plan,
    rehearse,
    rollback,
    services,
    status,
    upgrade,
)
from tasks.edge import DEFAULTS

ns = Collection(
    path.path,
    plan.plan,
    upgrade.upgrade,
    rollback.rollback,
    rehearse.rehearse,
    status.status,
    health.health,
    pause.pause,
    pause.resume,
    Collection("mistral", mistral.status, mistral.upgrade, mistral.recover, mistral.export),
    Collection("services", services.status, services.stop, services.start, services.restart, services.reload),
    Collection(
        "backup",
        *(backups.create, backups.list_, backups.verify, backups.restore),
        *(backup_fetch.fetch, backup_prune.prune),
    ),
    Collection("config", config.diff),
    Collection("content", content.export, content.import_, content.verify),
    Collection("migrations", migrations.list_, migrations.pending, migrations.baseline),
    Collection("inventory", inventories.show, inventories.trust),
    Collection("locks", locks.show, locks.release),
    Collection("lab", lab.up, lab.down, lab.status),
    Collection("dev", dev.check, dev.durations),
)
ns.configure({"stormlift": DEFAULTS})
