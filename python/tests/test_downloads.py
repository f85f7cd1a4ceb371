"""Archives that are kept as they were, and units that come back as files."""

import zipfile

import haulier
import pytest


@pytest.fixture
def archive(tmp_path):
    """Make a zip of a module, with a comment or without."""

    def make(name, comment=b""):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("kept_unit.py", "def f(): return 'kept'\n" * 50)
            out.comment = comment
        return path

    return make


def test_exact_bytes_come_back(cluster, archive, tmp_path):
    odd, plain = archive("odd.zip", b"made by hand"), archive("plain.zip")
    unit = cluster.deploy("py-kept", "1.0.0", odd)
    try:
        (original,) = cluster.inspect(unit).originals
        assert (original.source, original.size) == (0, odd.stat().st_size)
        assert original.digest == "sha256:" + cluster.inspect(unit).origins[0].sha256
        (path,) = cluster.download(unit, tmp_path / "back")
        assert path == tmp_path / "back" / "odd.zip"
        assert path.read_bytes() == odd.read_bytes()
        with pytest.raises(haulier.Conflict, match="force"):
            cluster.download(unit, tmp_path / "back")
        assert cluster.download("py-kept", str(tmp_path / "back"), force=True) == [path]
        assert cluster.task("py-kept", "kept_unit:f").call() == "kept"

        asked = cluster.deploy("py-kept", "2.0.0", plain, opaque=True)
        (path,) = cluster.download(asked, tmp_path / "asked")
        assert path.read_bytes() == plain.read_bytes()
        same = cluster.deploy("py-kept", "3.0.0", plain)
        assert cluster.inspect(same).originals == ()
        assert same.digest != asked.digest
    finally:
        cluster.undeploy("py-kept")


def test_a_folder_has_no_exact_bytes(cluster, tmp_path):
    module = tmp_path / "kept_module.py"
    module.write_text("def f(): return 1\n")
    with pytest.raises(haulier.InvalidArgument, match="--opaque"):
        cluster.deploy("py-folder", "1.0.0", module, opaque=True)
    cluster.deploy("py-folder", "1.0.0", module)
    try:
        (path,) = cluster.download("py-folder", tmp_path / "back")
        assert (path.name, path.read_text()) == ("kept_module.py", module.read_text())
    finally:
        cluster.undeploy("py-folder")
    with pytest.raises(haulier.NotFound):
        cluster.download("py-folder", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
