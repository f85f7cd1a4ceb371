"""An S3 service for tests: moto on a free port of loopback, with the empty bucket "units". Prints the bucket's URL.

Then it takes a command a line and answers each with "done": `put KEY BYTES` and `delete KEY`, both in hexadecimal.
Everybody may read, but what is below "private/" only who has keys; any keys will do.
"""

import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
client.create_bucket(Bucket="units")
print(f"s3://units/?endpoint={endpoint}&region=us-east-1", flush=True)
for line in sys.stdin:
    command, *texts = line.removesuffix("\n").split(" ")
    key, *body = map(bytes.fromhex, texts)
    if command == "put":
        name = key.decode()
        access = "private" if name.startswith("private/") else "public-read"
        client.put_object(Bucket="units", Key=name, Body=body[0], ACL=access)
    else:
        client.delete_object(Bucket="units", Key=key.decode())
    print("done", flush=True)
