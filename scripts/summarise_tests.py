#!/usr/bin/env python3
"""Adds up the results of scripts/test and prints what failed, what was skipped and why, and the totals.

usage: summarise_tests.py FOLDER
FOLDER holds JUnit files (*.xml) of ctest and pytest, and checks.tsv with lines `passed|failed<tab>name`. The last line
printed is `N passed, N failed, N skipped`; the status is 1 when any failed, or when nothing ran at all.
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

SHOWN_FAILURES = 20  # with what they printed; the others by name
SHOWN_LINES = 40  # of what a failed test printed


def skip_reason(case, skipped):
    """pytest writes the reason into the element; GoogleTest prints it between `file:line: Skipped` and `[  SKIPPED ]`."""
    output = case.findtext("system-out") or ""
    printed = re.search(r": Skipped\n(.*?)\n*\[  SKIPPED \]", output, re.DOTALL)
    return " ".join((printed.group(1) if printed else skipped.get("message") or "no reason given").split())


def results_of(path):
    """Yields (outcome, name, detail) for each test case of a JUnit file: why it was skipped, or what it printed."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('name')}"
        skipped = case.find("skipped")
        wrong = [element for kind in ("failure", "error") for element in case.findall(kind)]
        # ctest writes `skipped` for a test that skipped itself, and also for one whose program is missing.
        not_run = case.get("status") == "notrun" and skipped.get("message") != "SKIP_REGULAR_EXPRESSION_MATCHED"
        if wrong or not_run or case.get("status") == "fail":
            printed = [case.findtext("system-out") or ""] + [element.text or "" for element in wrong]
            yield "failed", name, "\n".join(printed).strip()
        elif skipped is not None:
            yield "skipped", name, skip_reason(case, skipped)
        else:
            yield "passed", name, ""


def main():
    folder = pathlib.Path(sys.argv[1])
    results = []
    for line in (folder / "checks.tsv").read_text().splitlines():
        outcome, name = line.split("\t", 1)
        results.append((outcome, name, ""))
    for path in sorted(folder.glob("*.xml")):
        results += results_of(path)

    skipped = collections.defaultdict(list)
    for outcome, name, reason in results:
        if outcome == "skipped":
            skipped[reason].append(name)
    for reason, names in skipped.items():
        print(f"skipped ({len(names)}): {reason}")
        for name in names:
            print(f"    {name}")
    failed = [(name, detail) for outcome, name, detail in results if outcome == "failed"]
    for name, detail in failed[:SHOWN_FAILURES]:
        print(f"FAILED {name}")
        for line in detail.splitlines()[-SHOWN_LINES:]:
            print(f"    {line}")
    for name, _ in failed[SHOWN_FAILURES:]:
        print(f"FAILED {name}")

    count = collections.Counter(outcome for outcome, _, _ in results)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not results else 0


sys.exit(main())
