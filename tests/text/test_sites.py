"""The sites of a pipeline file."""

from __future__ import annotations

from penstock.model.spec import Pipeline, Site
from penstock.text.canonical import pipeline_from_json, pipeline_to_json
from penstock.text.pipeline import read_pipeline


def read(text: str) -> Pipeline:
    return read_pipeline(text, "p.yaml", known_repos=(), has_file=lambda _: True, default_name="p")


def test_a_site_with_nothing_but_its_kind() -> None:
    pipeline = read("sites: {far: {kind: slurm}}\nsteps: {a: {run: x, site: far}, b: {run: x}}")
    assert pipeline.sites == (Site("far", "slurm"),)
    assert [step.site for step in pipeline.steps] == ["far", "local"]
    assert pipeline.site("far") == pipeline.sites[0] and pipeline.site("local") is None


def test_a_site_with_everything() -> None:
    pipeline = read(
        "sites:\n  far:\n    kind: slurm\n    partition: long,short\n    walltime: 2h\n    nodes: {min: 1, max: 8}\n"
        "    cpus: 32\n    memory: 64GiB\n    gpus: 4\n    per: task\n    idle: 5m\n    lead: 3m\n"
        "    options: {qos: high, account: 12, exclusive: true, overcommit: false}\n"
        "steps: {a: {run: x, site: far}}"
    )
    (site,) = pipeline.sites
    options = (("account", "12"), ("exclusive", ""), ("qos", "high"))
    assert site == Site("far", "slurm", "long,short", 7200.0, 8, 1, 32, 64 << 30, 4, "task", 300.0, 180.0, options)
    assert {site: 1}[site] == 1  # engines remember what they asked for by it


def test_a_cluster_of_dask() -> None:
    (site,) = read("sites: {far: {kind: dask, address: 'tcp://a:1', nodes: 3}}\nsteps: {a: {run: x}}").sites
    assert site == Site("far", "dask", walltime=366 * 86400.0, nodes=3, address="tcp://a:1")


def test_a_version_says_its_sites() -> None:
    pipeline = read("sites: {far: {kind: slurm, options: {qos: x}}}\nsteps: {a: {run: x, site: far}}")
    said = pipeline_to_json(pipeline)
    assert pipeline_from_json(said).sites == pipeline.sites
    assert "site" not in pipeline_to_json(read("steps: {a: {run: x}}"))
