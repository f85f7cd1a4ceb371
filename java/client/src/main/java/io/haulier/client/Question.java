package io.haulier.client;

/** What {@link Native#ask} is asked. The core knows them by their ordinals: new ones come at the end. */
enum Question {
    /** The nodes. */
    NODES,
    /** The units of a name; empty: all. */
    UNITS,
    /** One unit with its files: a reference. */
    UNIT,
    /** A reference, and whether tasks that run are cancelled. */
    UNDEPLOY,
    /** The unit's name, the alias, the version. */
    SET_ALIAS,
    /** The unit's name, the alias. */
    REMOVE_ALIAS,
    /** A reference, the nodes, the longest time in milliseconds. */
    WAIT_FOR_UNIT,
    /** The session, then the parts of a {@link Promotion}. */
    PROMOTE,
    /** The sessions. */
    SESSIONS,
    /** Whether it is only asked what would go. */
    COLLECT_GARBAGE,
    /** A URL, the interval and the time to settle in milliseconds; 0: the default. */
    WATCH_STORAGE,
    /** A watch, and whether its units go, too. */
    UNWATCH_STORAGE,
    /** The watched storages. */
    WATCHED_STORAGES,
    /** A name, a session or nothing, then units. */
    EXPLAIN,
    /** A reference, the folder, and whether what is there is replaced. */
    DOWNLOAD,
    /** A name, and a task. */
    EXPLAIN_TASK,
    /** The code that stays of sessions. */
    CONTINUOUS_CODE
}
