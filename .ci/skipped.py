"""Print which tests no run of several has run, and why: ``python skipped.py JUNIT.xml ...``."""

import sys
from xml.etree import ElementTree

skipped: dict[str, str] = {}
run: set[str] = set()
for file in sys.argv[1:]:
    for case in ElementTree.parse(file).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = case.find("skipped")
        if reason is None:
            run.add(name)
        else:
            skipped[name] = reason.get("message") or "no reason given"
missed = {name: reason for name, reason in skipped.items() if name not in run}
print(f"{len(run)} tests ran, {len(missed)} were skipped")
for name, reason in sorted(missed.items()):
    print(f"  {name}: {reason}")
