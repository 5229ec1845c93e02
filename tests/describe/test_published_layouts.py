"""Folders laid out as published repositories are, some of which were written years ago."""

import json
import shutil

import pytest
import torch
from tiny_describers import NORMAL

from pasd_batch.config.describe import DescribeSettings
from pasd_batch.describe.describer import Work
from pasd_batch.describe.loading import load_describers

PUBLISHED = {
    # microsoft/resnet-50
    "resnet": {
        **NORMAL,
        "do_normalize": True,
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "crop_pct": 0.875,
        "do_resize": True,
        "resample": 3,
        "size": 64,
    },
    # hustvl/yolos-tiny
    "yolos": {
        **NORMAL,
        "do_normalize": True,
        "feature_extractor_type": "YolosFeatureExtractor",
        "format": "coco_detection",
        "do_resize": True,
        "size": 64,
        "max_size": 640,
    },
    # PekingU/rtdetr_r50vd
    "rt_detr": {
        **NORMAL,
        "image_processor_type": "RTDetrImageProcessor",
        "do_normalize": False,
        "do_pad": False,
        "do_rescale": True,
        "do_resize": True,
        "do_convert_annotations": True,
        "format": "coco_detection",
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 64, "width": 64},
    },
    # Salesforce/blip-image-captioning-base
    "blip": {
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 32, "width": 32},
        "size_divisor": 32,
    },
}
"""`preprocessor_config.json` of published models, with the tiny models' sizes."""
NAMES = {"resnet": "classify", "yolos": "detect", "rt_detr": "detect", "blip": "caption"}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_published_layout_says_the_same(kind, describer_folder, scenes, tmp_path):
    def findings(folder):
        settings = DescribeSettings.parse({NAMES[kind]: {"weights": str(folder), "threshold": 0.2}})
        (describer,) = load_describers(settings, device=torch.device("cpu"), dtype=torch.float32)
        return describer.describe(scenes, Work())

    folder = shutil.copytree(describer_folder(kind), tmp_path / kind)
    (folder / "processor_config.json").unlink(missing_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(PUBLISHED[kind]))
    if kind == "blip":  # BERT's own files, before there was one for all of a tokenizer
        vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
        special = {"additional_special_tokens": ["[DEC]"], "bos_token": "[DEC]"}
        (folder / "special_tokens_map.json").write_text(json.dumps(special))
    assert findings(folder) == findings(describer_folder(kind))
