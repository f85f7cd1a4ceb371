"""Which folders of sys.path are the user's own."""

import os
import sys
import sysconfig
import types

import haulier
import jobs
from haulier import _roots


def test_the_standard_library_and_installed_packages_are_not_own(tmp_path):
    installed = tmp_path / "venv/lib/python3.11/site-packages"
    installed.mkdir(parents=True)
    foreign = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    foreign += [f"{sysconfig.get_path('stdlib')}/lib-dynload", str(installed), str(tmp_path / "python311.zip")]
    assert _roots.own_roots(foreign) == []


def test_folders_are_own_once_in_order(tmp_path, monkeypatch):
    for name in ("src", "scripts"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "scripts")
    path = [str(tmp_path / "src"), "", str(tmp_path / "scripts"), str(tmp_path / "absent"), "../src"]
    assert _roots.own_roots(path) == [str(tmp_path / "src"), str(tmp_path / "scripts")]


def test_this_package_is_not_own():
    folder = os.path.dirname(os.path.dirname(os.path.abspath(haulier.__file__)))
    assert _roots.own_roots([folder]) == []


def test_editable_installs_are_own(tmp_path, monkeypatch):
    (tmp_path / "src/acme").mkdir(parents=True)
    module = types.ModuleType("__editable___acme_1_0_finder")
    module.MAPPING = {"acme": str(tmp_path / "src/acme")}
    finder = type("Finder", (), {"__module__": module.__name__, "find_spec": lambda *_: None})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert _roots.own_roots([]) == [str(tmp_path / "src")]


def test_own_modules():
    assert _roots.is_own_module(jobs.__name__)
    assert not any(map(_roots.is_own_module, ("os", "pytest", "sys", "absent", "haulier")))
