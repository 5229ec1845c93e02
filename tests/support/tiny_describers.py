"""Tiny models that describe photos, with random weights, saved by transformers as the published ones are."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BartConfig,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    ConvNextImageProcessor,
    DFineConfig,
    DFineForObjectDetection,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessor,
    RTDetrResNetConfig,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessor,
)
from transformers.models.hgnet_v2 import HGNetV2Config

CLASSES = {0: "tabby, tabby cat", 1: "golden retriever", 2: "lakeside, lakeshore", 3: "steam locomotive"}
OBJECTS = {0: "N/A", 1: "person", 2: "dog", 3: "boat"}
WORDS = ["a", "photo", "of", "man", "dog", "boat", "lake", "on", "in", "the", "blurry", "noisy", "street"]
NORMAL = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
DETECTORS = ("rt_detr", "d_fine", "yolos")
CAPTIONERS = ("blip", "florence2")


def save_describer(kind: str, folder: Path) -> Path:
    """Save one of the models in `SAVERS`, always the same; returns its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        SAVERS[kind](folder)
    return folder


def _save(folder: Path, network, *parts) -> None:
    network.eval().save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)


def _resnet(folder: Path) -> None:
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", id2label=CLASSES
    )
    network = ResNetForImageClassification(config)
    _tell_apart(network, network.classifier[1], spread=2.0)
    _save(folder, network, ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875, **NORMAL))


def _detr_settings(**changes):
    return {
        "d_model": 16,
        "encoder_hidden_dim": 16,
        "encoder_ffn_dim": 16,
        "encoder_attention_heads": 2,
        "decoder_ffn_dim": 16,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "num_queries": 10,
        "num_denoising": 0,
        "id2label": OBJECTS,
    } | changes


def _rt_detr(folder: Path) -> None:
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=_LEVELS
    )
    sizes = {"encoder_in_channels": [8, 16, 16], "decoder_in_channels": [16, 16, 16]}
    network = RTDetrForObjectDetection(RTDetrConfig(**_detr_settings(backbone_config=backbone, **sizes)))
    _tell_apart(network, network.model.decoder.class_embed[-1], spread=2.0)
    _save(folder, network, RTDetrImageProcessor(size={"height": 64, "width": 64}))


_LEVELS = ["stage2", "stage3", "stage4"]


def _d_fine(folder: Path) -> None:
    backbone = HGNetV2Config(
        embedding_size=8,
        stem_channels=[3, 8, 8],
        hidden_sizes=[8, 8, 16, 16],
        stage_in_channels=[8, 8, 8, 16],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[8, 8, 16, 16],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        out_features=_LEVELS,
    )
    sizes = {"encoder_in_channels": [8, 16, 16], "decoder_in_channels": [16, 16, 16]}
    network = DFineForObjectDetection(DFineConfig(**_detr_settings(backbone_config=backbone, **sizes)))
    for layer in network.model.backbone.modules():
        if isinstance(layer, torch.nn.Conv2d):  # drawn so small that no photo would get through
            torch.nn.init.kaiming_normal_(layer.weight)
    _tell_apart(network, network.model.decoder.class_embed[-1], spread=2.0)
    _save(folder, network, RTDetrImageProcessor(size={"height": 64, "width": 64}))


def _yolos(folder: Path) -> None:
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[48, 64],
        num_detection_tokens=6,
        id2label=OBJECTS,
    )
    network = YolosForObjectDetection(config)
    _tell_apart(network, network.class_labels_classifier.layers[-1], spread=4.0)
    _save(folder, network, YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 640}))


def _blip(folder: Path) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = BertTokenizer(vocab=vocabulary, extra_special_tokens=["[DEC]"])
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": len(vocabulary), "encoder_hidden_size": 16, "bos_token_id": 5, "sep_token_id": 3}
    vision = {"image_size": 32, "patch_size": 16, "initializer_range": 0.5}
    config = BlipConfig(text_config=small | text | {"eos_token_id": 3}, vision_config=small | vision)
    network = BlipForConditionalGeneration(config)
    _livelier(network)
    _save(folder, network, BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer))


def _florence2(folder: Path) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<image>"]
    asked = ["What", "does", "the", "image", "describe?"]
    vocabulary = {word: number for number, word in enumerate([*special, *dict.fromkeys([*asked, *WORDS])])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    text = BartConfig(
        vocab_size=len(vocabulary),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=64,
    )
    vision = {
        "depths": [1, 1, 1, 1],
        "embed_dim": [8, 8, 8, 8],
        "num_heads": [1, 1, 1, 1],
        "num_groups": [1, 1, 1, 1],
        "window_size": 2,
        "projection_dim": 16,
        "drop_path_rate": 0.0,
    }
    network = Florence2ForConditionalGeneration(
        Florence2Config(text_config=text.to_dict(), vision_config=vision, image_token_id=vocabulary["<image>"])
    )
    _livelier(network)
    # 4 patches and their mean
    processor = CLIPImageProcessor(size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64})
    processor.image_seq_length = 5
    _save(folder, network, Florence2Processor(processor, tokenizer))


def _tell_apart(network: torch.nn.Module, head: torch.nn.Linear, *, spread: float) -> None:
    """Scale and shift a head so that its numbers are about 0 and differ by `spread` between places and photos."""
    seen = []
    hook = head.register_forward_hook(lambda _, features, numbers: seen.append((features[0], numbers)))
    with torch.inference_mode():
        for size in (1, 2, 4, 8, 64):
            coarse = torch.randn(2, 3, size, size) * 1.5
            network.eval()(torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear"))
    hook.remove()
    features = torch.cat([each.flatten(0, -2) for each, _ in seen]).clone()
    numbers = torch.cat([each.flatten(0, -2) for _, each in seen]).clone()
    factor = spread / numbers.std(dim=0).mean()
    head.weight.data *= factor
    head.bias.data = -(head.weight.data @ features.mean(dim=0))


def _livelier(network: torch.nn.Module) -> None:
    """Make words depend on the photo, which they hardly do with weights as they are drawn."""
    for name, weights in network.named_parameters():
        if weights.ndim > 1 and "norm" not in name:
            weights.data = torch.randn(weights.shape) * 0.6


SAVERS = {
    "resnet": _resnet,
    "rt_detr": _rt_detr,
    "d_fine": _d_fine,
    "yolos": _yolos,
    "blip": _blip,
    "florence2": _florence2,
}
