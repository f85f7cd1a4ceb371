package io.haulier.api;

/** Who is asked first for a class or a resource. The core knows them by their ordinals. */
public enum LoadingPolicy {
    /** The platform and the API, then the class path of the task. */
    PARENT_FIRST,
    /** The class path of the task, then the platform and the API. The default. */
    CHILD_FIRST,
    /** The class path of the task alone, besides the platform and the API: no logging API of the parent. */
    SELF_ONLY
}
