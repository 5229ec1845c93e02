"""Exports read back as rows by their formats' own libraries; each takes the target."""

import json

import pandas as pd


def read_webdataset(target):
    import webdataset

    urls = sorted(map(str, target.glob("*.tar")))
    return [
        json.loads(sample["json"]) | {"png": sample["png"]}
        for sample in webdataset.WebDataset(urls, shardshuffle=False)
    ]


def read_huggingface(target):
    import datasets

    return list(datasets.load_dataset(str(target), split="train", cache_dir=str(target.parent / "cache")))


def read_lance(target):
    import lance

    return lance.dataset(str(target)).to_table().to_pylist()


def read_delta(target):
    from deltalake import DeltaTable

    return DeltaTable(str(target)).to_pyarrow_table().to_pylist()


def read_iceberg(target):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("pasd_batch", uri=f"sqlite:///{target}/catalog.db", warehouse=target.as_uri())
    if not catalog.table_exists("pasd_batch.photos"):
        return []
    return catalog.load_table("pasd_batch.photos").scan().to_arrow().to_pylist()


def read_csv(target):
    return pd.read_csv(target).to_dict("records")


READERS = {
    "csv": read_csv,
    "webdataset": read_webdataset,
    "huggingface": read_huggingface,
    "lance": read_lance,
    "delta": read_delta,
    "iceberg": read_iceberg,
}
