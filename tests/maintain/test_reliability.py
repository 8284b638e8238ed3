import json
import re

from ae.errors import InputError
from ae.maintain import reliability
from ae.paths import REPOSITORY

import pytest

REPORT = """<testsuites><testsuite>
<testcase name="a"><properties><property name="fault" value="rain"/></properties></testcase>
<testcase name="b"><properties><property name="fault" value="rain"/></properties>
  <failure message="wet"/></testcase>
<testcase name="c"><properties><property name="fault" value="hail"/>
  <property name="tried" value="70"/><property name="survived" value="70"/></properties></testcase>
<testcase name="d"><properties><property name="fault" value="hail"/></properties>
  <skipped/></testcase>
<testcase name="e"/>
</testsuite></testsuites>"""


@pytest.fixture
def kept(monkeypatch, tmp_path):
    monkeypatch.setattr(reliability, "PATH", tmp_path / "reliability.json")
    return tmp_path / "reliability.json"


def test_faults_are_counted_by_kind(kept, tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert reliability.keep(report) == kept
    assert json.loads(kept.read_text())["faults"] == [
        {"fault": "hail", "tried": 70, "survived": 70},
        {"fault": "rain", "tried": 2, "survived": 1},
    ]
    lines = reliability.table().splitlines()
    assert lines[2:5] == ["| hail | 70 | 70 | 0 |", "| rain | 2 | 1 | 1 |", "| all | 72 | 71 | 1 |"]


def test_a_report_without_faults_is_refused(kept, tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("<testsuites/>")
    with pytest.raises(InputError, match=str(report)):
        reliability.keep(report)
    assert not kept.exists()


def test_the_kinds_that_are_counted_are_those_that_the_tests_name():
    sources = [
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py")
    ]
    named = {kind for text in sources for kind in re.findall(r'mark\.fault\("([^"]+)"\)', text)}
    counted = json.loads(reliability.PATH.read_text(encoding="utf-8"))["faults"]
    assert named == {row["fault"] for row in counted}
