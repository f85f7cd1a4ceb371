"""Run Python, Java and other code on a cluster of Haulier nodes; the code goes to where it runs.

In short::

    import haulier

    with haulier.connect("localhost:7440") as cluster:      # haulier.local() starts a node of its own
        with cluster.executor() as pool:                     # a concurrent.futures.Executor
            print(list(pool.map(simulate, range(100))))
        cluster.broadcast(collect_stats)                     # {node: result or exception}
        unit = cluster.deploy("model", "1.0.0", "./mypackage")
        cluster.set_alias("model", "stable", "1.0.0")        # a movable name
        cluster.task("model:stable", "mypackage.scoring:score").call(42)
        cluster.task("pricing", "com.acme.Price").call(42)   # a Java task, the same call
"""

from haulier._cluster import Cluster, connect
from haulier._deployment import Deployment, DeployProgress
from haulier._executor import RemoteExecutor
from haulier._futures import TaskFuture
from haulier._local import local
from haulier._preview import CodeFile, LeftOut, Preview
from haulier._tasks import TaskRef
from haulier._units import (
    CollectedGarbage,
    ContinuousCode,
    ExplainedPlace,
    Explanation,
    Node,
    PinnedRequirement,
    Session,
    StorageWatch,
    Unit,
    UnitDetails,
    UnitEntry,
    UnitOrigin,
    UnitOriginal,
    WatchProblem,
)
from haulier.errors import (
    Canceled,
    Closed,
    CodeNotFound,
    Conflict,
    DeadlineExceeded,
    Error,
    Incompatible,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RemoteFailure,
    RemoteTraceback,
    ResourceExhausted,
    ResultUnreadable,
    SessionLost,
    TaskFailed,
    Unavailable,
    WorkerLost,
)

__all__ = [
    "Canceled",
    "Closed",
    "Cluster",
    "CodeFile",
    "CodeNotFound",
    "CollectedGarbage",
    "Conflict",
    "ContinuousCode",
    "DeadlineExceeded",
    "DeployProgress",
    "Deployment",
    "Error",
    "ExplainedPlace",
    "Explanation",
    "Incompatible",
    "Internal",
    "InvalidArgument",
    "LeftOut",
    "Node",
    "NotFound",
    "PermissionDenied",
    "Preview",
    "RemoteExecutor",
    "RemoteFailure",
    "RemoteTraceback",
    "ResourceExhausted",
    "ResultUnreadable",
    "Session",
    "SessionLost",
    "StorageWatch",
    "TaskFailed",
    "TaskFuture",
    "TaskRef",
    "Unavailable",
    "Unit",
    "PinnedRequirement",
    "UnitDetails",
    "UnitOriginal",
    "UnitEntry",
    "UnitOrigin",
    "WatchProblem",
    "WorkerLost",
    "connect",
    "local",
]

__version__ = "0.1.0"
