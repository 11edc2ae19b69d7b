"""A text has one plan, in whatever process: replay finds stored answers by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PLAN = """
import hashlib, shutil, sys, tempfile
from pathlib import Path
from dpquery.service import Service
from dpquery.service.question import Question
with tempfile.TemporaryDirectory() as folder:
    for name in ("policies", "sample_data"):
        shutil.copytree(Path(sys.argv[1]) / name, Path(folder) / name)
    with Service.open(f"{folder}/policies/clinic.yaml") as service:
        session = service.session("alice")
        for sql in sys.stdin.read().split(";"):
            plan, _ = session.drafted(Question(sql, epsilon=0.5))
            print(plan.fingerprint)
"""
QUERIES = """
SELECT COUNT(*) FROM visits AS a JOIN visits AS b ON a.patient_id = b.patient_id
  JOIN visits AS c ON a.patient_id = c.patient_id AND b.patient_id = c.patient_id
  JOIN patients AS p ON p.patient_id = c.patient_id AND p.patient_id = a.patient_id;
SELECT r.urban, p.sex, v.ward, COUNT(*), AVG(v.cost), SUM(v.cost),
  COUNT(DISTINCT v.patient_id) FROM visits AS v
  JOIN patients AS p ON p.patient_id = v.patient_id
  LEFT JOIN regions AS r ON r.name = p.region AND r.population > 1000
  WHERE v.ward IN ('Screening', 'Emergency') OR v.cost BETWEEN 1 AND 2
  GROUP BY ALL;
SELECT result, COUNT(*) FROM biopsies AS b
  JOIN mammograms AS m ON b.mammogram_id = m.mammogram_id GROUP BY result
"""


def fingerprints(seed: str) -> list[str]:
    done = subprocess.run(  # noqa: S603 -- our own code
        [sys.executable, "-c", PLAN, str(ROOT)],
        input=QUERIES,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_plans_do_not_follow_the_hash_seed() -> None:
    first, *others = (fingerprints(seed) for seed in "0123")
    assert len(set(first)) == 3
    assert all(other == first for other in others)
