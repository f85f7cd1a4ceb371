"""The part of a connection that deploys, names, lists and removes units."""

from __future__ import annotations

import os
import pathlib
import sysconfig
from collections.abc import Iterable
from typing import Any, Literal, overload

from haulier import _native
from haulier._deployment import Deployment, Listener, follow
from haulier._units import (
    CollectedGarbage,
    ContinuousCode,
    ExplainedPlace,
    Explanation,
    Session,
    StorageWatch,
    Unit,
    UnitDetails,
)

Source = str | os.PathLike[str]
Requirements = str | os.PathLike[str] | Iterable[str]


class Deployments:
    """What ``Cluster`` can do with units."""

    def __init__(self, native: _native.Cluster) -> None:
        self._units = _native.Deployments(native)

    @overload
    def deploy(
        self,
        name: str,
        version: str | None,
        /,
        *sources: Source,
        replace: bool = ...,
        opaque: bool = ...,
        nodes: str | Iterable[str] = ...,
        wait: Literal[True] = ...,
        progress: Listener | None = ...,
        sha256: str | None = ...,
        dependencies: bool = ...,
        include: str | Iterable[str] = ...,
        exclude: str | Iterable[str] = ...,
        repositories: str | Iterable[str] = ...,
        requirements: Requirements | None = ...,
    ) -> Unit: ...
    @overload
    def deploy(
        self,
        name: str,
        version: str | None,
        /,
        *sources: Source,
        replace: bool = ...,
        opaque: bool = ...,
        nodes: str | Iterable[str] = ...,
        wait: Literal[False],
        progress: Listener | None = ...,
        sha256: str | None = ...,
        dependencies: bool = ...,
        include: str | Iterable[str] = ...,
        exclude: str | Iterable[str] = ...,
        repositories: str | Iterable[str] = ...,
        requirements: Requirements | None = ...,
    ) -> Deployment: ...
    def deploy(
        self,
        name: str,
        version: str | None,
        /,
        *sources: Source,
        replace: bool = False,
        opaque: bool = False,
        nodes: str | Iterable[str] = "majority",
        wait: bool = True,
        progress: Listener | None = None,
        sha256: str | None = None,
        dependencies: bool = True,
        include: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
        repositories: str | Iterable[str] = (),
        requirements: Requirements | None = None,
    ) -> Unit | Deployment:
        """Deploy sources as the unit ``name:version`` and return it.

        A source is a Python file, a package folder, a wheel, a jar, a zip, or a folder of classes and jars; their order
        counts. Or it is what the node fetches itself: a URL ("https://...", "s3://...", "ftp://..."), Maven coordinates
        ("org.acme:pricing:1.2.0") or a Python requirement ("pypi:requests"); all are of the one or of the other kind::

            cluster.deploy("pricing", "1.2.0", "target/pricing.jar", progress=print)
            cluster.deploy("model", "1.0.0", "./mypackage", requirements="requirements.txt")

        ``version`` None or "": the artifact's own, or, if it has none, the next revision ("0.0.1", "0.0.2", ...). The
        same content again succeeds; other content under the same version is a ``haulier.Conflict`` unless ``replace``.
        ``opaque``: keep the exact bytes of each archive besides its files, for ``download``; without it, only where an
        archive is signed or has more in it than files. Folders and Python files have no such bytes and are refused.
        ``nodes``: which of them must have the unit before this returns: "one", "majority", "all", or names. A node that
        is lost is not waited for, and none for more than 10 seconds: it fetches the unit when a task needs it.
        ``wait``: False returns a ``Deployment`` at once, a future of the unit.
        ``progress``: called with a ``DeployProgress`` now and then: on the calling thread, or, without ``wait``, on one
        of its own. What it raises stops the deployment.
        ``sha256``: of the file behind the one URL, in hexadecimal; default: anything.
        ``dependencies``: whether Maven coordinates bring what they need at run time; ``include``, ``exclude``: only
        such ("group:artifact" with wildcards; default: all), and not those; ``repositories``: URLs that are asked, too.
        ``requirements``: a file (requirements.txt, pylock.toml, pyproject.toml, uv.lock) or a list ("requests>=2"),
        which uv resolves here to exact versions with hashes of wheels; what has both already is taken as it is.

        Raises ``haulier.InvalidArgument`` for a name, version or source that is not acceptable, ``haulier.NotFound``
        for what is not there, ``haulier.Canceled`` if it is undeployed meanwhile. Ctrl-C stops it.
        """
        started = self._units.start(
            name,
            version or "",
            [_source(source) for source in sources],
            replace=replace,
            opaque=opaque,
            nodes=",".join(_texts(nodes)),
            sha256=sha256 or "",
            dependencies=dependencies,
            include=_texts(include),
            exclude=_texts(exclude),
            repositories=_texts(repositories),
            **_requirements(requirements),
        )
        return follow(started, progress) if wait else Deployment(started, progress)._begin()

    def undeploy(self, reference: str | Unit, *, force: bool = False) -> list[Unit]:
        """Remove a version ("name:version"), or all versions and aliases ("name"), and return what was removed.

        Running tasks end first, unless ``force`` cancels them. Raises ``haulier.NotFound`` for what is not there,
        ``haulier.Conflict`` for a version that an alias points to, unless ``force``, which removes the alias, too.
        """
        return [Unit(*unit) for unit in self._units.undeploy(str(reference), force)]

    def list_deployments(self, name: str | None = None) -> list[Unit]:
        """Return the deployed units, or those of one name."""
        return [*map(Unit._make, self._units.list(name or ""))]

    def inspect(self, reference: str | Unit) -> UnitDetails:
        """Return one unit with its files, and where they came from. ``haulier.NotFound`` for what is not there."""
        return UnitDetails._of(*self._units.inspect(str(reference)))

    def download(
        self, reference: str | Unit, folder: str | os.PathLike[str], *, force: bool = False
    ) -> list[pathlib.Path]:
        """Write the sources of a unit into ``folder``, which is made if it is not there, and return their paths.

        An archive that is opaque gets the bytes that it had; any other jar, zip or wheel is an archive of its files,
        stored and in their order; the rest are folders and Python files. Each appears whole and verified, or not at
        all.

        Raises ``haulier.NotFound`` for the unit, ``haulier.Conflict`` for what is there already, unless ``force``
        replaces it.
        """
        return list(self._units.download(str(reference), os.path.abspath(folder), force))

    def set_alias(self, name: str, alias: str, version: str) -> Unit:
        """Point a movable name to a deployed version, atomically, and return the unit.

        Tasks then find it by that name; those that were submitted before keep what they have::

            cluster.set_alias("pricing", "stable", "1.2.0")
            cluster.task("pricing:stable", "com.acme.Price").call(42)

        Raises ``haulier.NotFound`` for a version that is not there, ``haulier.Conflict`` if a version has the alias's
        name, ``haulier.InvalidArgument`` for "latest", which is computed, and for a name without a letter in front.
        """
        return Unit(*self._units.set_alias(name, alias, version))

    def remove_alias(self, name: str, alias: str) -> str:
        """Remove an alias and return the version that it pointed to. ``haulier.NotFound`` if there is none."""
        return self._units.remove_alias(name, alias)

    def wait_for_unit(
        self, reference: str | Unit, nodes: str | Iterable[str] = "majority", timeout: float = 60.0
    ) -> Unit:
        """Wait until nodes have a unit ("name", "name:version", "name:alias"), and return it.

        ``nodes``: "one", "majority", "all", or names; those that are lost are not waited for.
        ``timeout``: in seconds, at most an hour. Raises ``haulier.DeadlineExceeded`` then, which names the nodes that
        lack it, and ``haulier.NotFound`` if nothing is deployed under that reference.
        """
        return Unit(*self._units.wait_for_unit(str(reference), ",".join(_texts(nodes)), timeout))

    def promote(
        self,
        session: str | Session,
        name: str,
        version: str | None = None,
        *,
        snapshot: str | None = None,
        replace: bool = False,
        nodes: str | Iterable[str] = "majority",
    ) -> Unit:
        """Make a unit of the code that a session has loaded on the cluster, file for file, and return it.

        ``session``: of ``sessions()``, or its id; ``session_id`` is that of this client. Its client must be there: it
        sends what its tasks have not needed so far. Both must be connected to the same node.
        ``version``, ``replace``, ``nodes``: as in ``deploy``.
        ``snapshot``: the beginning of a snapshot's digest in hexadecimal; default: the newest.

        Raises ``haulier.NotFound`` for a session that the node does not have, or that has sent no code, and what
        ``deploy`` raises.
        """
        identity = session.id if isinstance(session, Session) else session
        return Unit(
            *self._units.promote(
                identity,
                name=name,
                version=version or "",
                snapshot=snapshot or "",
                replace=replace,
                nodes=",".join(_texts(nodes)),
            )
        )

    @property
    def session_id(self) -> str:
        """The name of this client's own session; empty while the connection is lost."""
        return self._units.session_id()

    def sessions(self) -> list[Session]:
        """Return the sessions of this identity at the node that this client is connected to, the oldest first."""
        return [Session(*session) for session in self._units.sessions()]

    def continuous_code(self) -> list[ContinuousCode]:
        """Return the code that stays of this identity's sessions in the continuous mode, what was used last first.

        Its ``reference`` is run in place of a unit, and undeployed.
        """
        return [ContinuousCode(*code) for code in self._units.continuous_code()]

    def explain(
        self,
        name: str,
        *units: str | Unit,
        session: str | None = None,
        task: str | None = None,
        language: str | None = None,
    ) -> Explanation:
        """Say where a class, a resource or a module comes from in the class path of these units.

        Which root gives it, which others have it too, and which rule decides; nothing is loaded::

            print(cluster.explain("acme.price", "pricing:1.2.0"))

        ``session``: a session of this identity at this node, whose code comes after the units; ``sessions`` lists them.
        ``task``: in place of both, a task of this identity that runs on any node or has ended in the last ten
        minutes: "SESSION/NUMBER", as the ``context`` of its error says it. ``language``: "java" or "python", by default
        the one that has the name. Raises ``haulier.NotFound`` for a unit, a session or a task that is not there.
        """
        fields = self._units.explain(name, [str(unit) for unit in units], session or "", task or "", language)
        written, kind, verdict, rule, places, *others = fields
        return Explanation(written, kind, verdict, rule, tuple(ExplainedPlace(*place) for place in places), *others)

    def collect_garbage(self, dry_run: bool = False) -> CollectedGarbage:
        """Free content of the node that no unit, session or task names; with ``dry_run`` only say what would go.

        The node is the one that this client is connected to. It does so by itself with what is older than an hour.
        """
        return CollectedGarbage(*self._units.collect_garbage(dry_run))

    def watch_storage(self, url: str, interval: float | None = None, settle: float | None = None) -> StorageWatch:
        """Watch a storage: what is there is deployed, what changes is redeployed, what goes is undeployed.

        ``url``: "file:///srv/units", "s3://bucket/units", "ftp://host/units", "https://host/units/". A file
        ``NAME-VERSION.jar`` or what lies in ``NAME/VERSION/`` is the unit NAME:VERSION. One node of the cluster looks
        at it; watching it again changes the times.
        ``interval``: how often it is looked at, in seconds; default: 5 for folders, 30 for the others.
        ``settle``: how long a file must have been unchanged before it is taken, in seconds; default: 2.

        Raises ``haulier.InvalidArgument`` for a URL that cannot be watched.
        """
        return StorageWatch._of(self._units.watch_storage(url, interval, settle))

    def unwatch_storage(self, watch: str | StorageWatch, undeploy: bool = False) -> StorageWatch:
        """Watch a storage no longer, by its id or URL, and return what was known of it.

        ``undeploy``: also undeploy what came from it. Raises ``haulier.NotFound`` if it is not watched.
        """
        identity = watch.id if isinstance(watch, StorageWatch) else watch
        return StorageWatch._of(self._units.unwatch_storage(identity, undeploy))

    def watched_storages(self) -> list[StorageWatch]:
        """Return the storages that are watched, with their state."""
        return [StorageWatch._of(watch) for watch in self._units.watched_storages()]


def _source(source: Source) -> str:
    """Fix a path to where this program is now. A URL or coordinates are no path that is there."""
    text = os.fspath(source)
    return os.path.abspath(text) if os.path.lexists(text) or not isinstance(source, str) else text


def _requirements(requirements: Requirements | None) -> dict[str, Any]:
    """Return the file and the single requirements that were given, and the uv of this interpreter."""
    if requirements is None:
        return {"requirement_files": [], "requirements": [], "uv": None}
    if isinstance(requirements, str | os.PathLike):
        return {"requirement_files": [os.path.abspath(requirements)], "requirements": [], "uv": _uv()}
    return {"requirement_files": [], "requirements": list(requirements), "uv": _uv()}


def _uv() -> str | None:
    """Return the uv that is installed beside this interpreter, also where its folder is not on the PATH."""
    installed = os.path.join(sysconfig.get_path("scripts"), "uv")
    return installed if not os.environ.get("HAULIER_UV") and os.access(installed, os.X_OK) else None


def _texts(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)
