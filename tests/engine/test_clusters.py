"""A training uses one device, whatever launcher the variables of the surroundings belong to."""

from pathlib import Path

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks

from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.run import Run, read_rows

SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "3"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"}
LSF = {
    "LSB_JOBID": "1",
    "LSB_DJOB_RANKFILE": "/no/such/file",
    "JSM_NAMESPACE_LOCAL_RANK": "0",
    "JSM_NAMESPACE_SIZE": "2",
}


@pytest.mark.parametrize("surroundings", [SLURM, TORCHRUN, LSF], ids=["slurm", "torchrun", "lsf"])
def test_the_settings_of_a_cluster_are_not_those_of_the_training(
    surroundings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), [Stage(epoch_scale=0.2)], run, describe={})
    assert len(read_rows(run.results_csv)) == 1
    assert run.resume.is_file()
