"""Describers against the same models called directly, and what must not change what they say."""

import numpy as np
import pytest
import torch
from tiny_describers import CAPTIONERS, CLASSES, DETECTORS, OBJECTS
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForObjectDetection,
    AutoProcessor,
    BlipForConditionalGeneration,
    Florence2ForConditionalGeneration,
)

from pasd_batch.config.describe import DescribeSettings
from pasd_batch.describe.describer import Work
from pasd_batch.describe.loading import load_describers
from pasd_batch.records import Description

NAMES = {"resnet": "classify", **dict.fromkeys(DETECTORS, "detect"), **dict.fromkeys(CAPTIONERS, "caption")}
KINDS = tuple(NAMES)


def load(kind, folder, *, batch=None, dtype=torch.float32, **settings):
    values = {NAMES[kind]: {"weights": str(folder), **settings}, "batch": batch}
    settings = DescribeSettings.parse({name: value for name, value in values.items() if value is not None})
    (describer,) = load_describers(settings, device=torch.device("cpu"), dtype=dtype)
    assert describer.name == NAMES[kind]
    return describer


def pixels(folder, scene):
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    if scene.shape[0] == 3:  # which an image processor would take for channels
        scene = scene.repeat(8, axis=0).repeat(8, axis=1)
    return processor(scene, return_tensors="pt")


@torch.inference_mode()
def test_the_class_is_the_most_probable_one_by_its_first_name(describer_folder, scenes):
    folder = describer_folder("resnet")
    network = AutoModelForImageClassification.from_pretrained(folder)
    findings = load("resnet", folder).describe(scenes, Work())
    classes = set()
    for scene, finding in zip(scenes, findings, strict=True):
        probabilities = network(**pixels(folder, scene)).logits[0].softmax(0)
        best = int(probabilities.argmax())
        assert finding.description.class_name == CLASSES[best].split(",")[0]
        assert finding.description.class_score == pytest.approx(float(probabilities[best]), abs=1e-6)
        assert (finding.description.caption, finding.description.objects, finding.doubt) == (None, (), None)
        classes.add(best)
    assert len(classes) > 1


def test_a_class_below_the_threshold_is_a_doubt_that_tells_it(describer_folder, scenes):
    folder = describer_folder("resnet")
    sure = load("resnet", folder, threshold=0.0).describe(scenes, Work())
    limit = sorted(finding.description.class_score for finding in sure)[2]
    findings = load("resnet", folder, threshold=limit).describe(scenes, Work())
    doubtful = [finding for finding in findings if finding.doubt]
    assert len(doubtful) == 2  # what scores exactly the threshold is taken
    for before, finding in zip(sure, findings, strict=True):
        if finding.doubt is None:
            assert finding == before
        else:
            said = before.description
            assert finding.description == Description()
            assert finding.doubt == f"{said.class_name} has {said.class_score:.2f}, less than the threshold {limit:g}"


@torch.inference_mode()
@pytest.mark.parametrize("kind", DETECTORS)
def test_objects_are_counted_by_name_the_surest_first(kind, describer_folder, scenes):
    folder = describer_folder(kind)
    network = AutoModelForObjectDetection.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    limit, several = 0.3, set()
    findings = load(kind, folder, threshold=limit).describe(scenes, Work())
    for scene, finding in zip(scenes, findings, strict=True):
        values = pixels(folder, scene)["pixel_values"]
        (found,) = processor.post_process_object_detection(network(pixel_values=values), threshold=limit)
        names = [OBJECTS[int(label)] for label in found["labels"]]
        said = {each.name: (each.count, each.score) for each in finding.description.objects}
        assert said == {
            name: (
                names.count(name),
                pytest.approx(
                    max(float(score) for other, score in zip(names, found["scores"], strict=True) if other == name),
                    abs=1e-6,
                ),
            )
            for name in set(names) - {"N/A"}
        }
        scores = [each.score for each in finding.description.objects]
        assert scores == sorted(scores, reverse=True)
        assert [box.name for box in finding.boxes].count("dog") == names.count("dog")
        height, width = scene.shape[:2]
        scaled = processor.post_process_object_detection(
            network(pixel_values=values), threshold=limit, target_sizes=[(height, width)]
        )
        corners = [box.clamp(min=0).tolist() for box in scaled[0]["boxes"]]
        for box in finding.boxes:
            own = [box.left, box.top, box.right, box.bottom]
            ends = [
                [min(each[0], width), min(each[1], height), min(each[2], width), min(each[3], height)]
                for each in corners
            ]
            assert min(max(abs(a - b) for a, b in zip(own, each, strict=True)) for each in ends) <= 1.0
        assert bool(said) == (finding.doubt is None)
        several.update((name, count) for name, (count, _) in said.items())
    assert any(count > 1 for _, count in several)


def test_no_more_names_of_objects_are_taken_than_asked_for(describer_folder, scenes):
    folder = describer_folder("rt_detr")
    every = load("rt_detr", folder, threshold=0.0).describe(scenes[:1], Work())[0].description.objects
    one = load("rt_detr", folder, threshold=0.0, most=1).describe(scenes[:1], Work())[0].description.objects
    assert len(every) == 3
    assert one == every[:1]


def test_a_detector_that_is_sure_of_nothing_tells_the_best_that_it_saw(describer_folder, scenes):
    folder = describer_folder("rt_detr")
    (best,) = load("rt_detr", folder, threshold=0.0, most=1).describe(scenes[:1], Work())[0].description.objects
    (finding,) = load("rt_detr", folder, threshold=1.0).describe(scenes[:1], Work())
    assert finding.description == Description()
    assert finding.doubt == f"{best.name} has {best.score:.2f}, less than the threshold 1"


@torch.inference_mode()
@pytest.mark.parametrize("kind", CAPTIONERS)
def test_captions_are_those_of_the_model_by_greedy_choice(kind, describer_folder, scenes):
    folder = describer_folder(kind)
    processor = AutoProcessor.from_pretrained(folder)
    of = {"blip": BlipForConditionalGeneration, "florence2": Florence2ForConditionalGeneration}[kind]
    network = of.from_pretrained(folder)
    captions = set()
    for scene, finding in zip(scenes, load(kind, folder, max_tokens=12).describe(scenes, Work()), strict=True):
        inputs = dict(pixels(folder, scene))
        if kind == "florence2":
            inputs = {**processor(images=scenes[0], text="<CAPTION>", return_tensors="pt"), **inputs}
        said = network.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=12)
        text = processor.tokenizer.decode(said[0], skip_special_tokens=True).strip()
        assert finding.description.caption == (text or None)
        assert bool(text) == (finding.doubt is None)
        captions.add(text)
    assert len(captions) > 3


@pytest.mark.parametrize("kind", CAPTIONERS)
def test_a_caption_below_the_threshold_is_a_doubt_that_quotes_it(kind, describer_folder, scenes):
    folder = describer_folder(kind)
    (sure,) = load(kind, folder, max_tokens=3).describe(scenes[:1], Work())
    (unsure,) = load(kind, folder, max_tokens=3, threshold=1.0).describe(scenes[:1], Work())
    assert unsure.description == Description()
    assert unsure.doubt.startswith(f"{sure.description.caption!r} has 0.")
    score = float(unsure.doubt.split(" has ")[1][:4])
    (again,) = load(kind, folder, max_tokens=3, threshold=score - 0.01).describe(scenes[:1], Work())
    assert again == sure


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_and_order_change_nothing(kind, describer_folder, scenes):
    describer = load(kind, describer_folder(kind), batch=3)
    together = describer.describe(scenes, Work())
    assert describer.describe(scenes[::-1], Work())[::-1] == together
    assert [describer.describe([scene], Work())[0] for scene in scenes] == together


@pytest.mark.parametrize("kind", KINDS)
def test_a_describer_runs_in_bfloat16(kind, describer_folder, scenes):
    findings = load(kind, describer_folder(kind), dtype=torch.bfloat16).describe(scenes, Work())
    assert any(finding.doubt is None for finding in findings)


@pytest.mark.parametrize("kind", KINDS)
def test_work_can_be_ended_between_steps(kind, describer_folder, scenes):
    class Enough(Exception):
        pass

    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise Enough

    describer = load(kind, describer_folder(kind))
    with pytest.raises(Enough):
        describer.describe([scenes[1], scenes[0], scenes[3]], Work(check))
    if kind in CAPTIONERS:
        calls.clear()
        with pytest.raises(Enough):  # within one caption, between its tokens
            describer.describe([scenes[1]], Work(check))


def test_numbers_that_are_not_finite_are_an_error(describer_folder, scenes):
    describer = load("resnet", describer_folder("resnet"))
    describer.model.network.classifier[1].bias.fill_(np.nan)
    with pytest.raises(ValueError, match=r"not finite in torch.float32; set model.dtype: float32"):
        describer.describe(scenes[:1], Work())
