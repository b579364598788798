"""The tables of the ledger, as the migrations that make them.

`MIGRATIONS[n]` takes a database from `user_version` n to n + 1. A migration that has been released
is never edited: a change of the schema is a new last row. Columns are named like the fields of the
records in `records.py`, in their order.
"""

from __future__ import annotations

Migration = tuple[str, ...]

_FIRST: Migration = (
    """
    CREATE TABLE experiments (
        id TEXT PRIMARY KEY NOT NULL,
        started REAL NOT NULL,
        direction TEXT NOT NULL,
        project TEXT NOT NULL,
        rest_url TEXT NOT NULL,
        settings TEXT NOT NULL,
        pause TEXT NOT NULL,
        released REAL NOT NULL,
        manager TEXT,
        halted REAL,
        halt_reason TEXT NOT NULL
    )
    """,
    # Names of jobs, tables and models carry lower-cased ids: two that differ in case only would
    # write over each other.
    "CREATE UNIQUE INDEX experiments_by_lower_case ON experiments (lower(id))",
    """
    CREATE TABLE trials (
        id TEXT PRIMARY KEY NOT NULL,
        experiment_id TEXT NOT NULL REFERENCES experiments (id),
        number INTEGER NOT NULL,
        started REAL NOT NULL,
        parameters TEXT NOT NULL,
        is_baseline INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        ended REAL,
        score REAL,
        directory TEXT NOT NULL,
        configs TEXT NOT NULL,
        failure TEXT NOT NULL,
        evidence TEXT NOT NULL,
        retry_of TEXT NOT NULL,
        continues TEXT NOT NULL,
        begun REAL,
        runner TEXT
    )
    """,
    "CREATE INDEX trials_running ON trials (id) WHERE ended IS NULL",
    "CREATE UNIQUE INDEX trials_by_lower_case ON trials (experiment_id, lower(id))",
    """
    CREATE TABLE jobs (
        name TEXT PRIMARY KEY NOT NULL,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        step TEXT NOT NULL,
        platform TEXT NOT NULL,
        plan TEXT NOT NULL,
        intended REAL NOT NULL,
        host TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_started INTEGER NOT NULL,
        job_id TEXT,
        state TEXT NOT NULL,
        message TEXT NOT NULL,
        log_tail TEXT NOT NULL,
        ended REAL,
        settings_file TEXT NOT NULL,
        failure TEXT NOT NULL,
        evidence TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        resources TEXT NOT NULL,
        rate REAL,
        ran REAL NOT NULL,
        running_since REAL,
        missing_since REAL
    )
    """,
    "CREATE INDEX jobs_by_trial ON jobs (trial_id)",
    "CREATE INDEX jobs_alive ON jobs (trial_id) WHERE ended IS NULL",
    # AUTOINCREMENT: an evaluation that replaces another one gets a number of its own, so that
    # `news` has it.
    """
    CREATE TABLE evaluations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        source TEXT NOT NULL,
        step INTEGER NOT NULL,
        "values" TEXT NOT NULL,
        score REAL,
        time REAL NOT NULL,
        UNIQUE (trial_id, source, step)
    )
    """,
    """
    CREATE INDEX scores_by_trial ON evaluations (trial_id, step, number, score)
    WHERE score IS NOT NULL
    """,
    """
    CREATE TABLE decisions (
        number INTEGER PRIMARY KEY,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        reason TEXT NOT NULL,
        time REAL NOT NULL,
        figures TEXT NOT NULL
    )
    """,
    "CREATE INDEX decisions_by_trial ON decisions (trial_id)",
    # Each beginning and end of a trial in their order, so that what was known at a verdict can be
    # told afterwards.
    """
    CREATE TABLE turns (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        state TEXT NOT NULL,
        score REAL,
        time REAL NOT NULL
    )
    """,
    """
    CREATE TABLE assessments (
        number INTEGER PRIMARY KEY,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        evaluation INTEGER NOT NULL,
        turn INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE notices (
        key TEXT PRIMARY KEY NOT NULL,
        experiment_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        time REAL NOT NULL,
        state TEXT NOT NULL,
        message TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE days (
        experiment_id TEXT NOT NULL REFERENCES experiments (id),
        step TEXT NOT NULL,
        state TEXT NOT NULL,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        time REAL NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (experiment_id, step)
    )
    """,
    """
    CREATE TABLE daily_runs (
        project TEXT NOT NULL,
        day TEXT NOT NULL,
        state TEXT NOT NULL,
        begun REAL NOT NULL,
        ended REAL,
        experiment_id TEXT NOT NULL,
        champion TEXT NOT NULL,
        challenger TEXT NOT NULL,
        champion_scores TEXT NOT NULL,
        challenger_scores TEXT NOT NULL,
        verdict TEXT NOT NULL,
        cost REAL,
        message TEXT NOT NULL,
        PRIMARY KEY (project, day)
    )
    """,
    """
    CREATE TABLE inputs (
        experiment_id TEXT NOT NULL REFERENCES experiments (id),
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL REFERENCES texts (digest),
        time REAL NOT NULL,
        PRIMARY KEY (experiment_id, kind, name, digest)
    )
    """,
    # Apart, for the experiments of a project mostly share theirs. NULL where it was too long.
    """
    CREATE TABLE texts (
        digest TEXT PRIMARY KEY NOT NULL,
        size INTEGER NOT NULL,
        packed BLOB
    )
    """,
    """
    CREATE TABLE trainings (
        hash TEXT NOT NULL,
        trial_id TEXT NOT NULL REFERENCES trials (id),
        step TEXT NOT NULL,
        parent TEXT NOT NULL,
        parent_trainer TEXT NOT NULL,
        model TEXT NOT NULL,
        begun REAL NOT NULL,
        ended REAL,
        version TEXT NOT NULL,
        measured TEXT NOT NULL,
        points TEXT NOT NULL,
        settings_file TEXT NOT NULL,
        pruned REAL,
        PRIMARY KEY (hash, trial_id)
    )
    """,
    """
    CREATE TABLE training_uses (
        trial_id TEXT NOT NULL REFERENCES trials (id),
        step TEXT NOT NULL,
        hash TEXT NOT NULL,
        trainer TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (trial_id, step)
    )
    """,
)

MIGRATIONS: tuple[Migration, ...] = (_FIRST,)
