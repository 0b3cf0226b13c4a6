"""A server of S3 on loopback."""

import re
import subprocess
import sys
import time
from contextlib import contextmanager

import boto3
from botocore.config import Config

REGION = "eu-central-1"


@contextmanager
def serving(log, port=0):
    """Its address, as long as it runs. All that it has is in its memory."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        for _ in range(1200):
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            if found:
                break
            assert child.poll() is None, log.read_text()
            time.sleep(0.05)
        yield found[0]
    finally:
        child.kill()
        child.wait()


def client(endpoint):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def variables(endpoint):
    """The environment of a program that uses it."""
    return {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION,
    }
