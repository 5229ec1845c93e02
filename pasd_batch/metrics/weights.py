"""Requirements of metrics before they are built: weight files, packages, a smallest photo, a reference, colour.

pyiqa fetches what it does not find, by file name and without a check of what is there. Nothing may be fetched in a
run, so the files are looked for first. This table is of pyiqa 0.1.16; a metric that is not in it is refused. Smallest
sides are the least that gave a number, of 8, 16, 24, 32, 48, 64, 96, 128, 192, 224 and 256.
"""

from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.grid import GRID_SCORES
from pasd_batch.metrics.periodic_pattern import MIN_SIDE
from pasd_batch.metrics.weight_files import MetricNeeds, WeightFile

_CLIP_PACKAGES = ("clip", "pkg_resources")


def _pyiqa(name: str) -> WeightFile:
    return WeightFile("hub/pyiqa", name)


def _torchvision(name: str) -> WeightFile:
    return WeightFile("hub/checkpoints", name)


def _timm(name: str) -> WeightFile:
    return WeightFile("huggingface", f"timm/{name}")


def _plain(min_side: int = 1, *, reference: bool = False, sees_color: bool = True) -> MetricNeeds:
    """A metric that needs nothing but the photo."""
    return MetricNeeds(min_side=min_side, reference=reference, sees_color=sees_color)


def _network(*files: WeightFile, min_side: int = 32, reference: bool = False) -> MetricNeeds:
    return MetricNeeds(files, min_side=min_side, reference=reference)


def _statistics(name: str, *, min_side: int, sees_color: bool = False) -> MetricNeeds:
    return MetricNeeds((_pyiqa(name),), min_side=min_side, sees_color=sees_color)


def _clip(network: WeightFile, *names: str, min_side: int = 32) -> MetricNeeds:
    return MetricNeeds((network, *(_pyiqa(name) for name in names)), _CLIP_PACKAGES, min_side)


def _language_model(*repositories: str, packages: tuple[str, ...] = ()) -> MetricNeeds:
    return MetricNeeds((), packages, 32, repositories=repositories)


def _arniqa(regressor: str) -> MetricNeeds:
    return _network(_torchvision("resnet50-0676ba61.pth"), _ARNIQA, _pyiqa(regressor))


_ALEXNET = _torchvision("alexnet-owt-7be5be79.pth")
_VGG16 = _torchvision("vgg16-397923af.pth")
_VIT = _timm("vit_base_patch8_224.augreg2_in21k_ft_in1k")
_RESNET50 = _timm("resnet50.a1_in1k")
_INCEPTION_RESNET = _timm("inception_resnet_v2.tf_in1k")
_ARNIQA = WeightFile("hub/checkpoints", "ARNIQA.pth", source="hf://chaofengc/IQA-PyTorch-Weights/ARNIQA.pth")
_SWIN_NAME = "swin_base_patch4_window12_384_22kto1k.pth"
_SWIN = WeightFile(
    "hub/checkpoints",
    _SWIN_NAME,
    source=f"https://github.com/SwinTransformer/storage/releases/download/v1.0.0/{_SWIN_NAME}",
)
_RN50 = WeightFile("hub/clip", "RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762")
_VIT_B32 = WeightFile("hub/clip", "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af")
_VIT_L14 = WeightFile("hub/clip", "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836")

METRIC_NEEDS: dict[str, MetricNeeds] = {
    # Against the true photo, nothing but both photos.
    "psnr": _plain(reference=True),
    "psnry": _plain(reference=True, sees_color=False),
    "psnr_ycbcr": _plain(reference=True, sees_color=False),
    "ssim": _plain(11, reference=True, sees_color=False),
    "ssim_ycbcr": _plain(11, reference=True, sees_color=False),
    "ssimc": _plain(11, reference=True),
    "ms_ssim": _plain(161, reference=True, sees_color=False),
    "fsim": _plain(32, reference=True),
    "gmsd": _plain(16, reference=True, sees_color=False),
    "vif": _plain(33, reference=True, sees_color=False),
    "vsi": _plain(32, reference=True),
    "nlpd": _plain(32, reference=True, sees_color=False),
    "cw_ssim": _plain(64, reference=True, sees_color=False),
    "mad": _plain(32, reference=True, sees_color=False),
    **{name: _plain(MIN_SIDE, reference=True, sees_color=False) for name in GRID_SCORES},
    # Against the true photo, by networks.
    "lpips": _network(_ALEXNET, _pyiqa("LPIPS_v0.1_alex-df73285e.pth"), min_side=64, reference=True),
    "lpips-vgg": _network(_VGG16, _pyiqa("LPIPS_v0.1_vgg-a78928a0.pth"), reference=True),
    "lpips+": _network(_ALEXNET, _pyiqa("LPIPS_v0.1_alex-df73285e.pth"), min_side=64, reference=True),
    "lpips-vgg+": _network(_VGG16, _pyiqa("LPIPS_v0.1_vgg-a78928a0.pth"), reference=True),
    "stlpips": _network(_pyiqa("alex_shift_tolerant.pth"), min_side=64, reference=True),
    "stlpips-vgg": _network(_pyiqa("vgg_shift_tolerant.pth"), min_side=64, reference=True),
    "dists": _network(_VGG16, _pyiqa("DISTS_weights-f5e65c96.pth"), reference=True),
    "deepdc": _network(_torchvision("vgg19-dcbb9e9d.pth"), reference=True),
    "dmm": _network(_VGG16, min_side=224, reference=True),
    "pieapp": _network(_pyiqa("PieAPPv0.1-0937b014.pth"), min_side=64, reference=True),
    "ahiq": _network(_RESNET50, _VIT, _pyiqa("AHIQ_vit_p8_epoch33-da3ea303.pth"), min_side=224, reference=True),
    "ckdn": _network(
        _torchvision("resnet50-19c8e357.pth"), _pyiqa("CKDN_model_best-38b27dc6.pth"), min_side=64, reference=True
    ),
    "wadiqam_fr": _network(_pyiqa("WaDIQaM-kadid-f7541ea5.pth"), min_side=64, reference=True),
    "msswd": _network(_pyiqa("msswd_weights.pth"), reference=True),
    "topiq_fr": _network(_RESNET50, _pyiqa("cfanet_fr_kadid_res50-2c4cc61d.pth"), reference=True),
    "topiq_fr-pipal": _network(_RESNET50, _pyiqa("cfanet_fr_pipal_res50-69bbe5ba.pth"), reference=True),
    "afine_fr": _network(_VIT_B32, _pyiqa("afine.pth"), reference=True),
    "afine_all": _network(_VIT_B32, _pyiqa("afine.pth"), reference=True),
    "afine_all_scale": _network(_VIT_B32, _pyiqa("afine.pth"), reference=True),
    # By statistics of the photo alone.
    "piqe": _plain(16, sees_color=False),
    "entropy": _plain(8, sees_color=False),
    "niqe": _statistics("niqe_modelparameters.mat", min_side=192),
    "niqe_matlab": _statistics("niqe_matlab_params.mat", min_side=192),
    "ilniqe": _statistics("ILNIQE_templateModel.mat", min_side=84, sees_color=True),
    "brisque": _statistics("brisque_svm_weights.pth", min_side=32),
    "brisque_matlab": _statistics("brisque_matlab.mat", min_side=32),
    "nrqm": _statistics("NRQM_model.mat", min_side=192),
    "pi": MetricNeeds((_pyiqa("NRQM_model.mat"), _pyiqa("niqe_modelparameters.mat")), min_side=200, sees_color=False),
    # By networks that learned people's ratings.
    "cnniqa": _network(_pyiqa("CNNIQA_koniq10k-e6f14c91.pth")),
    "musiq": _network(_pyiqa("musiq_koniq_ckpt-e95806b9.pth")),
    "musiq-ava": _network(_pyiqa("musiq_ava_ckpt-e8d3f067.pth")),
    "musiq-paq2piq": _network(_pyiqa("musiq_paq2piq_ckpt-364c0c84.pth")),
    "musiq-spaq": _network(_pyiqa("musiq_spaq_ckpt-358bb6af.pth")),
    "maniqa": _network(_VIT, _pyiqa("ckpt_koniq10k.pt")),
    "maniqa-kadid": _network(_VIT, _pyiqa("ckpt_kadid10k.pt")),
    "maniqa-pipal": _network(_VIT, _pyiqa("MANIQA_PIPAL-ae6d356b.pth")),
    "hyperiqa": _network(_RESNET50, _pyiqa("HyperIQA-resnet50-koniq10k-c96c41b1.pth")),
    "topiq_nr": _network(_RESNET50, _pyiqa("cfanet_nr_koniq_res50-9a73138b.pth")),
    "topiq_nr-flive": _network(_RESNET50, _pyiqa("cfanet_nr_flive_res50-ded1c74e.pth")),
    "topiq_nr-spaq": _network(_RESNET50, _pyiqa("cfanet_nr_spaq_res50-a7f799ac.pth")),
    "topiq_iaa": _network(_SWIN, _pyiqa("cfanet_iaa_ava_swin-393b41b4.pth")),
    "topiq_iaa_res50": _network(_RESNET50, _pyiqa("cfanet_iaa_ava_res50-3cd62bb3.pth")),
    "nima": _network(_INCEPTION_RESNET, _pyiqa("NIMA_InceptionV2_ava-b0c77c00.pth"), min_side=96),
    "nima-koniq": _network(_INCEPTION_RESNET, _pyiqa("NIMA_koniq-250367ae.pth"), min_side=96),
    "nima-spaq": _network(_INCEPTION_RESNET, _pyiqa("NIMA-spaq-46a7fcb7.pth"), min_side=96),
    "nima-vgg16-ava": _network(_timm("vgg16.tv_in1k"), _pyiqa("NIMA_VGG16_ava-dc4e8265.pth")),
    "paq2piq": _network(_torchvision("resnet18-f37072fd.pth"), _pyiqa("P2P_RoIPoolModel-fit.10.bs.120-ca69882e.pth")),
    "dbcnn": _network(_VGG16, _pyiqa("DBCNN_scnn-7ea73d75.pth"), _pyiqa("DBCNN_KonIQ10k-2de81c0a.pth"), min_side=64),
    "tres": _network(_torchvision("resnet50-0676ba61.pth"), _pyiqa("tres_koniq-f0502926.pth"), min_side=224),
    "tres-flive": _network(_torchvision("resnet50-0676ba61.pth"), _pyiqa("tres_flive-09b0de5b.pth"), min_side=224),
    "metaiqa": _network(_pyiqa("Metaiqa_livec.pth")),
    "unique": _network(_torchvision("resnet34-b627a593.pth"), _pyiqa("UNIQUE.pt")),
    "uranker": _network(_pyiqa("URanker_ckpt-450eb36d.pth")),
    "wadiqam_nr": _network(_pyiqa("WaDIQaM-NR-koniq-aaffea29.pth"), min_side=64),
    "arniqa": _arniqa("regressor_koniq10k.pth"),
    "arniqa-clive": _arniqa("regressor_clive.pth"),
    "arniqa-csiq": _arniqa("regressor_csiq.pth"),
    "arniqa-flive": _arniqa("regressor_flive.pth"),
    "arniqa-kadid": _arniqa("regressor_kadid10k.pth"),
    "arniqa-live": _arniqa("regressor_live.pth"),
    "arniqa-spaq": _arniqa("regressor_spaq.pth"),
    "arniqa-tid": _arniqa("regressor_tid2013.pth"),
    # By CLIP, which learned photos with their captions.
    "clipiqa": _clip(_RN50),
    "clipiqa+": _clip(_RN50, "CLIP-IQA+_learned_prompts-603f3273.pth"),
    "clipiqa+_rn50_512": _clip(_RN50, "CLIPIQA+_RN50_512-89f5d940.pth"),
    "clipiqa+_vitL14_512": _clip(_VIT_L14, "CLIPIQA+_ViTL14_512-e66488f2.pth"),
    "qualiclip": _clip(_RN50, "QualiCLIP.pth"),
    "qualiclip+": _clip(_RN50, "QualiCLIP.pth", "QualiCLIP+_koniq.pth"),
    "qualiclip+-clive": _clip(_RN50, "QualiCLIP.pth", "QualiCLIP+_clive.pth"),
    "qualiclip+-flive": _clip(_RN50, "QualiCLIP.pth", "QualiCLIP+_flive.pth"),
    "qualiclip+-spaq": _clip(_RN50, "QualiCLIP.pth", "QualiCLIP+_spaq.pth"),
    "liqe": _clip(_VIT_B32, "liqe_koniq.pt", min_side=224),
    "liqe_mix": _clip(_VIT_B32, "liqe_mix.pt", min_side=224),
    "laion_aes": _clip(_VIT_L14, "sac+logos+ava1-l14-linearMSE.pth"),
    "afine_nr": _network(_VIT_B32, _pyiqa("afine.pth")),
    "maclip": MetricNeeds((_RN50,), _CLIP_PACKAGES, 32, cuda=True),
    "fgresq": MetricNeeds(
        (_pyiqa("FGResQ.pth"), _pyiqa("FGResQ_Degradation.pth")),
        min_side=32,
        repositories=("openai/clip-vit-base-patch16",),
    ),
    # By language models that see photos.
    "qalign": _language_model("q-future/one-align", packages=("icecream",)),
    "qrealign-mini": _language_model("q-future/Q-ReAlign-Mini-0.8B"),
    "qrealign-lite": _language_model("q-future/Q-ReAlign-Lite-4B"),
    "qrealign-pro": _language_model("q-future/Q-ReAlign-Pro-9B"),
}
"""By pyiqa's names, and those that it has none for."""

BATCHED = frozenset(
    {
        *("psnr", "psnry", "psnr_ycbcr", "ssim", "ssim_ycbcr", "ssimc", "ms_ssim", "gmsd"),
        *("lpips", "lpips-vgg", "stlpips", "dists", "deepdc", "dmm", "pieapp", "ckdn", "wadiqam_fr", "msswd"),
        *("cnniqa", "musiq", "musiq-ava", "musiq-paq2piq", "musiq-spaq", "nima", "nima-koniq", "nima-spaq"),
        *("nima-vgg16-ava", "paq2piq", "dbcnn", "metaiqa", "unique", "uranker", "wadiqam_nr", "hyperiqa"),
        *("clipiqa", "clipiqa+", "clipiqa+_rn50_512"),
    }
)
"""Metrics whose value of a photo does not depend on what else is in a batch of photos of one size, to 1 in 10,000.

Measured on a CPU, with random weights where there are any, three photos together and each alone. The others are scored
one by one.
"""

NOT_FOR_PHOTOS: dict[str, str] = {
    "fid": "it compares sets of photos, which `pasd-batch evaluate` does",
    "sfid": "it compares sets of photos",
    "fid_dinov2": "it compares sets of photos, with a network whose code comes from the internet",
    "inception_score": "it judges sets of photos",
    "clipscore": "it compares a photo with a caption",
    "fgresq_pair": "it ranks two photos, in several numbers",
    "compare2score": "pyiqa runs it with gradients, as a loss",
    "qalign_8bit": "it is qalign with coarser weights",
    "qalign_4bit": "it is qalign with coarser weights",
    "qrealign": "it is qrealign-mini",
    "topiq_nr-face": "it judges faces alone, which a network finds that facexlib downloads",
    "topiq_nr-face-v1": "it judges faces alone, which a network finds that facexlib downloads",
    "topiq_nr_swin-face": "it judges faces alone, which a network finds that facexlib downloads",
}
"""Metrics of pyiqa that are none of one photo, or no good one, by name, with the reason."""

INCEPTION_NEEDS = MetricNeeds((_pyiqa("pt_inception-2015-12-05-6726825d.pth"),))
"""Needs of the network that FID and KID take features from."""

_SET_NEEDS = {"fid": INCEPTION_NEEDS, "kid": INCEPTION_NEEDS}


def needed_of(settings: MetricsSettings) -> list[WeightFile]:
    """Weight files of all metrics of the settings, `fid` and `kid` among them, each once; unknown names have none."""
    known = METRIC_NEEDS | _SET_NEEDS
    names = (*settings.no_reference, *settings.full_reference)
    return list(dict.fromkeys(file for name in names if name in known for file in known[name].files))
