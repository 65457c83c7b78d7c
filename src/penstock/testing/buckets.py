"""Buckets on an S3 server that was started for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit


class Server:
    """One S3 server and an account there, out of `http://KEY:SECRET@HOST:PORT`."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.endpoint = f"http://{parts.hostname}:{parts.port}"
        #: What clients find the account by.
        self.environment = {
            "AWS_ACCESS_KEY_ID": parts.username or "",
            "AWS_SECRET_ACCESS_KEY": parts.password or "",
        }

    def client(self) -> Any:
        """A client of another make than ours."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    @contextmanager
    def bucket(self) -> Iterator[str]:
        """The name of an empty bucket, which is removed with all it holds."""
        client, name = self.client(), f"test-{os.urandom(8).hex()}"
        client.create_bucket(Bucket=name)
        try:
            yield name
        finally:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
                if found := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                    client.delete_objects(Bucket=name, Delete={"Objects": found, "Quiet": True})
            client.delete_bucket(Bucket=name)
