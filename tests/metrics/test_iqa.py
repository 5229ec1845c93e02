import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.iqa import MetricsUnavailable, build_metrics, metric_problems, pyiqa_version
from pasd_batch.metrics.offline import clip_beside_others, weight_folders


def _settings(**values) -> MetricsSettings:
    return MetricsSettings.parse({"no_reference": [], "full_reference": [], "device": "cpu", **values})


def _run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        check=False,
    )


def test_the_defaults_can_be_built_and_know_their_direction(capsys):
    no_reference, full_reference = build_metrics(MetricsSettings(device="cpu"))
    assert [(metric.name, metric.higher_is_better) for metric in no_reference] == [("piqe", False)]
    assert [metric.name for metric in full_reference] == ["psnr", "ssim", "ms_ssim"]
    assert all(metric.higher_is_better for metric in full_reference)
    assert capsys.readouterr().out == ""


def test_the_version_is_the_installed_one():
    assert pyiqa_version() == importlib.metadata.version("pyiqa")


def test_missing_weights_are_named_before_anything_is_built():
    folder = weight_folders(_settings()).torch_home
    problems = metric_problems(_settings(no_reference=["cnniqa", "piqe"], full_reference=["dists"]))
    assert len(problems) == 3
    assert f"metric cnniqa needs {folder}/hub/pyiqa/CNNIQA_koniq10k-e6f14c91.pth" in problems[0]
    assert f"metric dists needs {folder}/hub/checkpoints/vgg16-397923af.pth" in problems[1]
    assert "TORCH_HOME=FOLDER" in problems[0]
    assert "metrics.weights_dir" in problems[0]
    with pytest.raises(MetricsUnavailable, match=r"(?s)CNNIQA_koniq10k.*DISTS_weights"):
        build_metrics(_settings(no_reference=["cnniqa"], full_reference=["dists"]))


def test_names_are_checked():
    assert "nonsense is not known here" in metric_problems(_settings(no_reference=["nonsense"]))[0]
    assert metric_problems(_settings(no_reference=["ssim"])) == ["metric ssim belongs under metrics.full_reference"]
    assert metric_problems(_settings(full_reference=["piqe"])) == ["metric piqe belongs under metrics.no_reference"]
    with pytest.raises(ConfigError, match="piqe is named more than once"):
        _settings(no_reference=["piqe", "piqe"])


def test_missing_packages_are_named():
    problems = metric_problems(_settings(no_reference=["clipiqa"]))
    text = "\n".join(problems)
    assert ("setuptools<81" in text) == (importlib.util.find_spec("pkg_resources") is None)
    assert "hub/clip/RN50.pt" in text


def test_without_metrics_nothing_is_needed():
    script = (
        "import sys; sys.modules['pyiqa'] = None\n"
        "from pasd_batch.metrics.iqa import *\n"
        "settings = MetricsSettings(no_reference=(), full_reference=())\n"
        "print(build_metrics(settings), 'torch' in sys.modules)"
    )
    done = _run(script)
    assert done.stdout.strip() == "([], []) False", done.stderr


def test_without_pyiqa_the_message_says_how_to_install_it(tmp_path):
    script = (
        "import importlib.util as util, importlib.abc, sys\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pyiqa' else find(name, *rest)\n"
        "from pasd_batch.metrics.iqa import *\n"
        "print(metric_problems(MetricsSettings()))"
    )
    done = _run(script)
    assert "pip install 'pasd-batch[metrics]'" in done.stdout, done.stderr


WITH_FOLDER = """
import sys
from pasd_batch.metrics.iqa import *
import numpy as np
settings = MetricsSettings(no_reference=("cnniqa",), full_reference=("stlpips",), weights_dir=sys.argv[1], device="cpu")
problems = metric_problems(settings)
if problems:
    sys.exit("\\n".join(problems))
[cnniqa], [stlpips] = build_metrics(settings)
photo = np.random.default_rng(0).random((80, 90, 3), dtype=np.float32)
print(cnniqa(photo), stlpips(photo, 1 - photo), cnniqa.higher_is_better, stlpips.higher_is_better)
"""


@pytest.fixture
def weights(tmp_path) -> Path:
    """A folder with random weights of two small networks, as a mirror would hold the published ones."""
    import torch
    from pyiqa.archs.cnniqa_arch import CNNIQA

    folder = tmp_path / "hub" / "pyiqa"
    folder.mkdir(parents=True)
    torch.save({"params": CNNIQA(pretrained=None).state_dict()}, folder / "CNNIQA_koniq10k-e6f14c91.pth")
    torch.save({}, folder / "alex_shift_tolerant.pth")  # is loaded leniently: what is not there stays random
    return tmp_path


def test_weights_come_from_the_folder_without_the_network(weights):
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = _run(WITH_FOLDER, str(weights), **proxies)
    assert done.returncode == 0, done.stderr
    cnniqa, stlpips, *directions = done.stdout.split()
    assert float(cnniqa) != float(stlpips)
    assert directions == ["True", "False"]

    (weights / "hub/pyiqa/alex_shift_tolerant.pth").unlink()
    done = _run(WITH_FOLDER, str(weights), **proxies)
    assert f"metric stlpips needs {weights}/hub/pyiqa/alex_shift_tolerant.pth" in done.stderr


def test_weights_with_code_in_them_are_refused_unless_allowed(weights):
    import pickle

    class Attack:
        def __reduce__(self):
            return (exec, (f"open({str(weights / 'attacked')!r}, 'w').close()",))

    (weights / "hub/pyiqa/alex_shift_tolerant.pth").write_bytes(pickle.dumps(Attack()))
    done = _run(WITH_FOLDER, str(weights))
    assert done.returncode != 0
    assert "metrics.allow_pickle" in done.stderr
    assert not (weights / "attacked").exists()


def test_a_process_has_one_folder(weights):
    import pyiqa  # noqa: F401 (loaded with the default folder)

    [problem] = metric_problems(_settings(no_reference=["piqe"], weights_dir=weights))
    assert "has already loaded pyiqa with" in problem
    assert metric_problems(_settings(no_reference=["piqe"])) == []


def test_metrics_of_sets_and_of_gpus_are_told_as_such():
    [problem] = metric_problems(_settings(no_reference=["fid"]))
    assert "fid is none of a photo: it compares sets of photos, which `pasd-batch evaluate` does" in problem
    problems = metric_problems(_settings(no_reference=["maclip"]))
    assert any("metric maclip runs on CUDA alone, and metrics.device is cpu here" in problem for problem in problems)


def test_all_metrics_find_clip_in_the_folder_of_the_other_weights(tmp_path, monkeypatch):
    clip = pytest.importorskip("clip.clip", reason="CLIP needs setuptools below 81", exc_type=ImportError)
    asked = []
    monkeypatch.setattr(clip, "_download", lambda url, root: asked.append((url, root)))
    with clip_beside_others(_settings(no_reference=["laion_aes"], weights_dir=tmp_path)):
        clip._download("https://host/sha/ViT-L-14.pt", "/home/me/.cache/clip")
    clip._download("https://host/sha/ViT-L-14.pt", "/home/me/.cache/clip")
    assert [root for _, root in asked] == [str(tmp_path / "hub" / "clip"), "/home/me/.cache/clip"]
