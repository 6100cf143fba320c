"""What jaxreg depends on: licences as listed, lowest versions as promised, advisories as read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from packaging.version import Version

CI = Path(__file__).parents[1] / ".ci"


def program(name):
    """A module of the folder .ci, which is no package."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", CI / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


advisories, licences, lowest = map(program, ("advisories", "licences", "lowest"))
PERMISSIVE = {
    *("Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0"),
    *("0BSD", "CC0-1.0", "Zlib"),
}


# --- licences ---


def test_licences_are_listed_as_the_installed_packages_state_them():
    assert licences.FILE.read_text(encoding="utf-8") == licences.table(), "run make licences"
    listed = {name: licence for name, licence, _ in licences.rows()}
    assert set(listed) == set(licences.pinned())
    assert "unknown" not in listed.values()


def test_what_the_library_itself_needs_is_permissive():
    needed = {name: licence for name, licence, by in licences.rows() if by == "the library"}
    assert {"jax", "jaxlib", "optax", "numpy"} < set(needed)
    assert set(needed) == licences.brought_by("") & set(licences.pinned())
    for name, licence in needed.items():
        assert set(licence.split(" AND ")) <= PERMISSIVE, name


def test_everything_that_is_brought_is_pinned():
    brought = set().union(*map(licences.brought_by, licences.EXTRAS))
    apart = {"jax-cuda13-plugin", "jax-cuda13-pjrt"}  # of the extra for GPUs
    assert brought - set(licences.pinned()) <= apart | {"setuptools", "pip", "wheel"}


# --- the lowest versions ---


def test_every_dependency_of_the_library_has_a_lowest_version_that_is_used():
    declared = {licences.canonicalize_name(r.name) for r in licences.declared("")}
    assert declared <= set(lowest.lowest())
    pins = licences.pinned()
    for name, version in lowest.lowest().items():
        assert Version(version) <= Version(pins[name]), name
    lines = dict(line.split("==") for line in lowest.constraints())
    assert {name: lines[name] for name in declared} == {n: lowest.lowest()[n] for n in declared}
    assert "jaxlib" not in lines  # it is of one version with jax
    assert len(lines) == len(pins) - 1


# --- advisories ---

EVENTS = {  # ranges of versions, and those of 0.9, 1.0, 1.5, 2.0, 2.1 that are in them
    "from the beginning": ([{"introduced": "0"}, {"fixed": "1.5"}], "yynnn"),
    "never fixed": ([{"introduced": "1.0"}], "nyyyy"),
    "last affected": ([{"introduced": "1.0"}, {"last_affected": "2.0"}], "nyyyn"),
    "twice, out of order": (
        [{"introduced": "2.1"}, {"fixed": "1.0"}, {"introduced": "0"}, {"fixed": "3"}],
        "ynnny",
    ),
}


@pytest.mark.parametrize(("events", "expected"), EVENTS.values(), ids=EVENTS)
def test_a_range_of_versions_is_read(events, expected):
    found = [advisories.is_within(Version(v), events) for v in ("0.9", "1.0", "1.5", "2.0", "2.1")]
    assert found == [letter == "y" for letter in expected]


ADVISORY = """id: PYSEC-2099-{number}
aliases: [CVE-2099-{number}]
affected:
- package: {{ecosystem: PyPI, name: Some_Package}}
  ranges:
  - {{type: GIT, events: [{{introduced: "0"}}]}}
  - {{type: ECOSYSTEM, events: [{{introduced: "{first}"}}, {{fixed: "{fixed}"}}]}}
  versions: ["0.1.fix1", "{named}"]
{more}"""


def test_pinned_versions_are_looked_up_in_the_advisories_of_a_folder(tmp_path, capsys):
    folder = tmp_path / "vulns" / "some-package"
    folder.mkdir(parents=True)
    of_2, of_3 = ({"first": f"{n}.0", "fixed": f"{n}.5", "named": f"{n}.7"} for n in (2, 3))
    (folder / "1.yaml").write_text(ADVISORY.format(number=1, more="", **of_2))
    (folder / "2.yaml").write_text(ADVISORY.format(number=2, more="", **of_3))
    gone = ADVISORY.format(number=3, more="withdrawn: 2099-01-01T00:00:00Z", **of_2)
    (folder / "3.yaml").write_text(gone)
    for version, affected in {"2.4": 1, "2.5": 0, "2.7": 1, "3.1": 2, "1.0": 0}.items():
        pins = advisories.pinned(f"other==1.0\n# a remark\nsome_package=={version}\n")
        assert advisories.main(tmp_path, pins) == (affected > 0)
        last = "known vulnerabilities in 2 pinned packages; 2 advisories read\n"
        line = f"some-package=={version}: PYSEC-2099-{affected} (CVE-2099-{affected})\n"
        count = int(affected > 0)
        assert capsys.readouterr().out == line * count + f"{count} {last}"


def test_a_folder_without_advisories_is_refused(tmp_path, capsys):
    assert advisories.main(tmp_path, {}) == 2
    assert capsys.readouterr().err == (
        f"Error: {tmp_path}: expected a checkout of pypa/advisory-database with its folder vulns, "
        f"found none; clone it, and give its folder\n"
    )
    (tmp_path / "vulns").mkdir()
    assert advisories.main(tmp_path, {"jax": Version("1")}) == 1  # nothing read is no good news
